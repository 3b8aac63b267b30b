"""Public names of a package that are imported when they are asked for, since most programs need one or two of them."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, modules: Mapping[str, str], library: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` (PEP 562) for a package.

    Args:
        package: The name of the package.
        modules: Public name → the module of the package that has it; `""`: the name is that of a module.
        library: The library of an adapter, which is also the name of its extra.
    """

    def find(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            if package == "krauth" and _ADAPTER_NAMES.get(name, "_auth") != "_auth":
                # No AttributeError: `from krauth import NaverAuth` would hide its text.
                raise ImportError(
                    f"{name} is in the package of your HTTP library: from krauth_requests import {name}, or from"
                    " krauth_httpx, krauth_httpx2, krauth_aiohttp"
                )
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        path = f"{package}.{module or name}"
        try:
            __import__(path)
        except ModuleNotFoundError as error:
            if library is None or (error.name or "").partition(".")[0] != library:  # one that the library needs
                raise
            command = f"pip install 'krauth[{library}]'"
            text = f"{package} needs {library}, which is not installed: {command}"
            raise ModuleNotFoundError(text, name=library) from None
        value = sys.modules[path] if module == "" else getattr(sys.modules[path], name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return find, names


#: The public names of every adapter. A program that uses one provider does not load the others.
_ADAPTER_NAMES = {
    "AdapterAuth": "_auth",
    "MelomingAPIKey": "_meloming_key",
    "MelomingOAuth": "_meloming",
    "NaverAuth": "_naver",
    "OAuth2Auth": "_oauth2",
    "TokenTransport": "_transport",
}


def adapter_names(package: str, library: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the adapter of a library: all adapters have the same names."""
    return lazy_names(package, _ADAPTER_NAMES, library)


@atexit.register
def _at_exit() -> None:
    # Registered with the first import of krauth, and not with that of the engine, which comes late: handlers that were
    # registered in between run before it, and may still want a token.
    if (process := sys.modules.get("krauth._engine.process")) is not None:
        process.at_exit()
