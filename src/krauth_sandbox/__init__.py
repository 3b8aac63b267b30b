"""Both providers on loopback, written from their documents and never from krauth's client: see `_sandbox`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._ground.record import RecordedRequest
    from ._meloming.emulator import MelomingEmulator
    from ._naver.emulator import NaverEmulator
    from ._sandbox import Sandbox
    from ._server.emulator import Emulator

__all__ = ["Emulator", "MelomingEmulator", "NaverEmulator", "RecordedRequest", "Sandbox"]

_HOMES = {
    "Emulator": "_server.emulator",
    "MelomingEmulator": "_meloming.emulator",
    "NaverEmulator": "_naver.emulator",
    "RecordedRequest": "_ground.record",
    "Sandbox": "_sandbox",
}


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562): `pytest_plugin` lives in this package and is loaded into every pytest run of everyone
    # who installed krauth. It must not cost them aiohttp.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiohttp":
            raise
        raise ModuleNotFoundError(
            f"{__name__} needs aiohttp, which is not installed: pip install 'krauth[sandbox]'", name=error.name
        ) from None
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
