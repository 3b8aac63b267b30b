"""Authentication for nine Korean APIs: a module for each API, and one for each HTTP library with its classes."""
