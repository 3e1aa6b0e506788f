"""Plain rows to escaped HTML and text; knows nothing of ours."""
