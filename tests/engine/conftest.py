"""Each test of the engine begins without what earlier ones measured of a server's clock."""

import pytest

from krauth._engine import process


@pytest.fixture(autouse=True)
def no_skew():
    process.skew._known.clear()
