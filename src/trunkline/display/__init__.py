"""How plain rows look in a terminal and in a notebook; knows nothing of our records."""
