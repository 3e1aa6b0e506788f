"""What crosses the face: OpenAI-shaped answers (pydantic) and our own records (frozen dataclasses)."""
