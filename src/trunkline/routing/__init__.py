"""How a model is chosen and how that is learned; numpy lives here."""
