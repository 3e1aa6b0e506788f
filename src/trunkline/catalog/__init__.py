"""Which models exist, what they can, what they cost."""
