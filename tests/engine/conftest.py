"""Each test of the engine begins without what earlier ones measured of a server's clock."""

import pytest

from krauth._engine import source


@pytest.fixture(autouse=True)
def no_skew():
    source._skew._known.clear()
