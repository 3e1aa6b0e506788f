"""All I/O of a call: the IO protocol and its objects; sole importer of httpx, httpcore, anyio."""
