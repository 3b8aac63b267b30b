"""What to say where the library of an extra is not installed; adapters ask when they are imported."""

from __future__ import annotations


def not_installed(error: ModuleNotFoundError, library: str) -> ModuleNotFoundError:
    """Return the error for a library that is missing, with the command that installs it.

    Args:
        error: What the import raised.
        library: The library, which is also the name of the extra and the end of the adapter's name.
    """
    if (error.name or "").partition(".")[0] != library:  # a package that the library itself needs
        return error
    return ModuleNotFoundError(
        f"krauth_{library} needs {library}, which is not installed: pip install 'krauth[{library}]'", name=library
    )
