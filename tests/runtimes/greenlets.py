"""gevent: `greenlets.py first` patches before anything else is imported, `last` when all is imported and used."""

from __future__ import annotations

import sys
import time
import warnings

import gevent
from gevent import monkey

if sys.argv[1] == "first":
    monkey.patch_all()

import requests  # noqa: F401  as programs do that are patched late
import tiny

if sys.argv[1] == "last":
    tiny.AUTH.token()  # with worker threads that are no greenlets
    warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
    monkey.patch_all()

for forget in (True, False):
    ticks = []

    def tick(ticks=ticks):
        """Take note of the time, over and over."""
        while True:
            ticks.append(time.monotonic())
            gevent.sleep(0.01)

    if forget:
        tiny.AUTH.forget()
    else:
        tiny.AUTH.refresh()
    ticker = gevent.spawn(tick)
    jobs = [gevent.spawn(tiny.account) for _ in range(50)]
    gevent.joinall(jobs, timeout=60, raise_error=True)
    accounts = {job.value for job in jobs}
    ticker.kill()
    gaps = [later - earlier for earlier, later in zip(ticks, ticks[1:], strict=False)]
    print(len(accounts), max(gaps, default=0.0))
