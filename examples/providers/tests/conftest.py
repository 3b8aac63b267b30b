"""The package and its tests are not installed: both folders are put on the path."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE.parents[2] / "tests", HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
