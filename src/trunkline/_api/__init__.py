"""OpenAI's HTTP API, answered in process over the pipeline; no HTTP library in here."""
