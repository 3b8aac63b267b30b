"""The command `python -m krauth_stores.salvage tokens.db`, which error messages name; `repair` does the work."""

from __future__ import annotations

from .repair import Repaired as Salvaged
from .repair import main
from .repair import repair as salvage

__all__ = ["Salvaged", "salvage"]

if __name__ == "__main__":
    main("krauth_stores.salvage")
