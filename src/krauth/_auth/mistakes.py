"""What users hand over by mistake, and what to do: a wrong `token_transport`, or an auth object in a wrong client."""

from __future__ import annotations

from types import FunctionType, MethodType, ModuleType
from typing import Any

from .._values.exceptions import ConfigurationError

#: The libraries whose objects are told from callables that are meant, and the adapter of each that has one.
_LIBRARIES = {
    **{name: f"krauth_{name}" for name in ("requests", "httpx", "httpx2", "aiohttp")},
    **dict.fromkeys(("urllib3", "httpcore", "httpcore2", "niquests")),
}
#: Name of a base class in these libraries → how an instance becomes part of a client.
_PARTS = {
    "BaseAdapter": "an HTTP adapter; mount it, session.mount('https://', adapter), and hand over the session",
    "BaseTransport": "a transport of the library; hand over a client made with it: {client}(transport=…)",
    "AsyncBaseTransport": "a transport of the library; hand over a client made with it: {client}(transport=…)",
    "BaseConnector": "a connector; hand over a session made with it: {client}(connector=…)",
}


def find_mistake(value: object, cls: Any) -> str | None:
    """Return what a wrong `token_transport` is, and what to hand over instead; `None` where that is unknown.

    Args:
        value: The argument that was handed over.
        cls: The subclass of `transport.Transport` that was to be made.
    """
    wanted, own = cls.wanted(), getattr(cls.library, "__name__", None)
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}; hand over {wanted}"
    if isinstance(value, type):
        advice = f"an instance: {_name(value)}(…)" if _library(value) in (own, None) else wanted
        return f"the class {_name(value)} itself; hand over {advice}"
    if hasattr(value, "extra_headers"):  # an auth object of ours
        return f"an auth object; hand over {wanted}, also the very one that carries this auth"
    if isinstance(value, str | dict):
        return f"{article(type(value).__name__)}; for a proxy make {wanted} that uses it, and hand that over"
    if isinstance(value, MethodType) and (library := _library(type(value.__self__))):
        advice = "the object itself" if library == own else wanted
        return f"a method of {_name(type(value.__self__))}; hand over {advice}"
    if isinstance(value, FunctionType):
        if _library(value):
            return f"the function {_name(value)}, which takes no krauth.HTTPRequest; hand over {wanted}"
        if value.__code__.co_flags & 0x180:  # CO_COROUTINE, CO_ITERABLE_COROUTINE
            return "a coroutine function: it is called in a worker thread; write a plain function"
    for base in type(value).__mro__:
        library = _library(base)
        if library == own and own and base.__name__ in _PARTS:
            return _PARTS[base.__name__].format(client=f"{own}.{cls.client_names[0]}")
        if library and library != own:
            adapter = f", or use the adapter {_LIBRARIES[library]}" if _LIBRARIES[library] else ""
            return f"{article(_name(base))}, which is of another library; hand over {wanted}{adapter}"
    return None


def _library(thing: object) -> str | None:
    root = str(getattr(thing, "__module__", "")).partition(".")[0]
    return root if root in _LIBRARIES else None


def _name(thing: type | FunctionType) -> str:
    return f"{thing.__module__.partition('.')[0]}.{thing.__qualname__}"


def article(noun: str) -> str:
    """Return a noun with `a` or `an` before it."""
    return f"{'an' if noun[0] in 'aeiouh' else 'a'} {noun}"  # an httpx.Client


def wrong_client(auth: object, request: object) -> ConfigurationError:
    """Return the error for a request of another library than the class of `auth` is for."""
    name = type(auth).__name__
    given, own = (type(one).__module__.partition(".")[0] for one in (request, auth))
    base = next((one.__module__ for one in type(auth).__mro__ if one.__module__.startswith("krauth_")), own)
    own = base.partition(".")[0]
    if given in ("requests", "httpx", "httpx2", "aiohttp"):
        advice = f"take {name} from krauth_{given} for it"
    else:
        advice = f"use {name}.headers(method, url) for clients that krauth has no adapter for"
    return ConfigurationError(
        f"{name} of {own} was handed to a client of {given}"
        + (", which some programs use in place of httpx" if (given, own) == ("httpx2", "krauth_httpx") else "")
        + f": {advice}"
    )
