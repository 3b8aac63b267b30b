"""multiprocessing: `pool.py METHOD` asks 16 times in four processes, and counts accounts and processes."""

from __future__ import annotations

import multiprocessing
import sys

import tiny

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(4) as pool:
        found = pool.map(tiny.account, range(16), chunksize=1)
    print(len({one.split()[0] for one in found}), len({one.split()[1] for one in found}))
