"""The `krauth` command. `_main` is the group; every command has its own module, imported when the command is named."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["main"]

#: What the extra `cli` installs.
_NEEDED = ("click", "rich")


def main(prog_name: str = "krauth") -> None:
    """Run the command line; the entry point `krauth`.

    Args:
        prog_name: What the user typed to start it, for the usage line.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"krauth: the command line needs {' and '.join(missing)}: pip install 'krauth[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from ._main import krauth

        krauth(prog_name=prog_name)
    except KeyboardInterrupt:  # while a module is imported
        sys.exit(130)
