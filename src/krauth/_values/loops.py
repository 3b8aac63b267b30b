"""Which event loop runs in this thread, asked without importing asyncio or trio."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import ModuleType


def running_trio() -> ModuleType | None:
    """Return the `trio` module when this thread is inside a trio run, else `None`.

    `sys.modules` also holds a module that another thread is still importing. It has no `in_trio_run` yet, and a thread
    inside a trio run has a whole one.
    """
    trio = sys.modules.get("trio")
    in_trio_run = getattr(getattr(trio, "lowlevel", None), "in_trio_run", None)
    return trio if in_trio_run is not None and in_trio_run() else None


def running_loop() -> AbstractEventLoop | None:
    """Return the asyncio event loop that runs in this thread, or `None`."""
    get_running_loop = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    try:
        return get_running_loop() if get_running_loop is not None else None
    except RuntimeError:
        return None
