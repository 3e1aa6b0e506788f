"""trunkline: an in-process LLM router."""
