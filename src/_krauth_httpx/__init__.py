"""What the adapters for httpx and httpx2 share. It imports neither library."""

#: The extension of a request that names the auth object whose header fields it carries.
MARK = "krauth"
