"""For tests of code that uses krauth: a static token, a fresh start, a clock that is moved by hand, contracts."""

from __future__ import annotations

from ._cassettes import vcr_filters
from ._clock import FakeClock
from ._process import reset, static_token
from ._provider_contract import ProviderContract
from ._store_contract import TokenStoreContract

__all__ = ["FakeClock", "ProviderContract", "TokenStoreContract", "reset", "static_token", "vcr_filters"]
