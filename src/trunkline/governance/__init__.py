"""Access, budgets, limits: pure rules, called by the ledger inside its transaction."""
