"""The clock of leases that processes of one machine share: it does not jump when the time is set; for `sqlite`."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from pathlib import Path


def now() -> float:
    """Return seconds since the machine was started, those in suspend included where the system counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@functools.cache
def name() -> str:
    """Return what tells one start of the machine, and one time namespace of it, from others; "" where not known."""
    parts = []
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/time"))
    return " ".join(parts)
