"""Where a credential may go: the origin (RFC 6454) of a URL, the https rule, and the cheap test for it."""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from typing import Self

DEFAULT_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
#: A websocket handshake is an HTTP request (RFC 6455 §1.3): same server, same credential.
_SCHEMES = {"wss": "https", "ws": "http"}


#: Last labels of names that only a private network knows: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`.
_PRIVATE_NAMES = frozenset({"localhost", "local", "internal", "lan"})
_PRIVATE_ENDS = (".home.arpa", ".localdomain")
_NAT64 = "64:ff9b::/96"


class Origin(tuple[str, str, int]):
    """Scheme, host and port, normalised so that equal origins compare equal."""

    # Written out: `typing.NamedTuple` takes as long to define one as a whole module takes to load.
    __slots__ = ()

    def __new__(cls, scheme: str, host: str, port: int) -> Self:
        return super().__new__(cls, (scheme, host, port))

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return self[0]

    @property
    def host(self) -> str:
        """A name in lower case, or an address without brackets."""
        return self[1]

    @property
    def port(self) -> int:
        """The port, also where the URL names none."""
        return self[2]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine itself."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether a credential may travel there: https, or this machine itself."""
        return self.scheme == "https" or self.is_loopback

    @property
    def is_public(self) -> bool:
        """Whether the host is one of the internet, as far as its name or address tells."""
        last = self.host.rpartition(".")[2]
        if ":" not in self.host and not (last[:1].isdigit() or last.startswith("0x")):
            return "." in self.host and last not in _PRIVATE_NAMES and not self.host.endswith(_PRIVATE_ENDS)
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:  # 127.1, 0x7f000001: resolvers read these as addresses
            return False
        inner = isinstance(address, ipaddress.IPv6Address) and (
            address.ipv4_mapped or address.sixtofour or address.teredo or address in ipaddress.ip_network(_NAT64)
        )
        return address.is_global and not address.is_multicast and not inner  # an address in an address may be any


def make_origin(scheme: str, host: str, port: int | None) -> Origin | None:
    """Return the origin of the parts of a URL, or `None` where there is none (no host, unknown scheme)."""
    scheme = scheme.lower()
    scheme = _SCHEMES.get(scheme, scheme)
    if scheme not in ("https", "http") or not host:
        return None
    host = normalise_host(host)
    return Origin(scheme, host, DEFAULT_PORTS[scheme] if port is None else port) if host else None


@functools.lru_cache(maxsize=256)
def normalise_host(host: str) -> str:
    """Return a host in lower case, in its ASCII (IDNA) form, without brackets or the dot of the DNS root; or `""`."""
    host = (host[1:-1] if host[:1] + host[-1:] == "[]" else host).removesuffix(".").lower()
    if "[" in host or "]" in host:  # brackets stand around an address and nowhere else (RFC 3986 §3.2.2)
        return ""
    if not host.isascii():
        try:
            import idna

            host = idna.encode(host, uts46=True).decode("ascii").removesuffix(".")
        except ImportError:
            try:
                host = host.encode("idna").decode("ascii").removesuffix(".")
            except UnicodeError:
                return ""
        except UnicodeError:  # idna.IDNAError is one
            return ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


@functools.lru_cache(maxsize=1024)
def parse_origin(url: str) -> Origin | None:
    """Return the origin of a URL, or `None` when it has none or is not fit to be read in one way only."""
    # WHATWG and RFC 3986 disagree on backslashes and control characters: such a URL gets no credential.
    if "\\" in url or any(ord(char) <= 32 for char in url):
        return None
    try:
        parts = urlsplit(url)
        before, bracket, address = parts.netloc.rpartition("@")[2].partition("[")
        if bracket and (before or address.partition("]")[2][:1] not in ("", ":")):
            return None  # urlsplit overlooks what stands around an IPv6 address
        return make_origin(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        return None


def check_base_url(url: str, name: str = "base_url") -> str:
    """Return a base URL or endpoint without trailing slash, or raise `ConfigurationError`.

    It must be absolute, https (plain http only to this machine itself), and hold no query, fragment or password.
    """
    if not isinstance(url, str) or not url:
        kind = "" if isinstance(url, str) else f", not {type(url).__name__}"
        raise ConfigurationError(f"{name} must be a URL such as 'https://api.example.com'{kind}")
    return _check_url(url, name)


@functools.lru_cache(maxsize=256)
def _check_url(url: str, name: str) -> str:
    origin = parse_origin(url)
    parts = urlsplit(url) if origin else None
    if origin is None or parts is None or parts.scheme not in ("https", "http"):
        raise ConfigurationError(f"{name} must be an absolute http(s) URL such as 'https://api.example.com'")
    if "@" in parts.netloc:
        raise ConfigurationError(f"{name} must not hold a user name or password")
    if "*" in origin.host:
        raise ConfigurationError(f"{name} must name one host, and * stands for many; write each host out")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigurationError(f"{name} must have no query and no fragment")
    if not origin.is_secure:
        raise ConfigurationError(
            f"{name} must use https: over plain http anybody on the way reads the credential"
            f" (http is allowed only to this machine itself, not to {origin.host!r})"
        )
    return url.rstrip("/")


@functools.lru_cache(maxsize=256)
def url_prefixes(origins: tuple[Origin, ...]) -> tuple[str, ...]:
    """Return the beginnings that only URLs of these origins have: the hot path's test, before any parsing.

    A normalised URL that starts with `https://host/` can hold neither user name nor other host nor port.
    """
    return tuple(f"{origin}/" for origin in origins)


@functools.lru_cache(maxsize=256)
def url_authorities(origins: tuple[Origin, ...]) -> frozenset[tuple[str, str]]:
    """All `(scheme, host[:port])` that URLs of these origins have, normalised: the same for aiohttp."""
    return frozenset((alias, str(origin).partition("://")[2]) for origin in origins for alias in _aliases(origin))


@functools.lru_cache(maxsize=256)
def url_triples(origins: tuple[Origin, ...]) -> frozenset[tuple[str, str, int | None]]:
    """All `(scheme, host, port)` that URLs of these origins have, normalised: the same for httpx and httpx2."""
    found: set[tuple[str, str, int | None]] = set()
    for origin in origins:
        for alias in _aliases(origin):
            found.add((alias, origin.host, origin.port))
            if DEFAULT_PORTS[alias] == origin.port:
                found.add((alias, origin.host, None))
    return frozenset(found)


def _aliases(origin: Origin) -> tuple[str, ...]:
    return (origin.scheme, *(alias for alias, scheme in _SCHEMES.items() if scheme == origin.scheme))
