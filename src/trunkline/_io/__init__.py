"""All input and output of a call: the IO protocol and its two objects; the only importer of httpx, httpcore, anyio."""
