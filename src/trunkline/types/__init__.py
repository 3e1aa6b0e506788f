"""What crosses the face: OpenAI-shaped answers (pydantic), our own records (dataclasses)."""
