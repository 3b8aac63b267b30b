"""For PyInstaller, which finds this by the entry point `pyinstaller40`: the stores are imported by name only."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """Return the folders with hooks for PyInstaller."""
    return [os.path.dirname(__file__)]
