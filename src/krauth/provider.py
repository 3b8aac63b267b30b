"""What the author of a provider needs, and nothing else of the core: its public names, with a promise to keep them.

A provider is two small classes. One says how a request is credited, on top of `OriginAuth`; the other inherits from
that one and from the `AdapterAuth` of a stack's package, and has an empty body:

    from krauth.provider import OriginAuth, Secret, hide, now, use_origins

    class ExampleAuthBase(OriginAuth):
        extra_names = ("X-Signature",)

        def __init__(self, key: str) -> None:
            self._key = hide(key)
            use_origins(self, "https://api.example.com")

        def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
            return {"X-Signature": sign(self._key.reveal(), now(), method, url)}

    from krauth_requests import AdapterAuth

    class ExampleAuth(ExampleAuthBase, AdapterAuth):
        "Example authentication for requests."

A provider with tokens derives a `Credentials` (any grant) or `OAuth2Credentials` (RFC 6749, with a table of errors of
its own) and hands it to `use_credentials`; `UserAuth` instead of `OriginAuth` brings sign-in, revocation and
introspection. `krauth.naver` and `krauth.meloming` are made in the same way.

What a subclass of `OriginAuth` may set or define:

- `extra_names`: the names of the header fields that `extra_headers` returns, all of them, so that they can be taken off
  a request that is redirected to another origin.
- `extra_headers(method, url)`: those header fields for one sending of a request: it is called anew for each, with the
  URL as it is sent. Fast, without I/O; it may run on an event loop.
- `fixed_headers = True`: `extra_headers` returns the same for every request, an API key for example; it is called once.
- `signs_body = True`: `extra_headers(method, url, body)` is given the body as bytes, `b""` where there is none. A body
  that can be read only once raises `ConfigurationError` before anything is sent.
- `server_time()`: what to sign as the time: seconds since the epoch, by the API's clock once a refusal has named it.
- `token_header`, `token_scheme`: where the token goes, `"Authorization"` and `"Bearer"` by default; `""` for no scheme.
- `judged_statuses`: the statuses that may say something about the credential, `frozenset({401})` by default. Also an
  attribute of `Credentials`. With a status below 300 in it, one of these says where to look: `judged_header`, the name
  of a header field that only a refusal has, or `judged_json = True`, the body of an answer in JSON, 64 KiB at most.
- `errors`: for a credential without tokens, the error table of the API. `Rule("…", clock=True)` blames the clock: the
  request is signed anew with the time of the answer's `Date` and repeated once. With tokens, `Credentials.errors`.
- `judge(method, status, headers, body)`: instead of a table.
- `anonymous_methods`: methods that are sent without a token unless the server wants one.

What a subclass of `Credentials` may set, as data, to read another server's token answers: `token_fields` (our name of a
field → the server's, a dotted path, or several; `error_pattern` finds a code within a sentence), `token_time_zone` and
`token_time_format` (of an absolute expiry), `trace_header`, `errors`, `min_interval` (seconds between two token
requests); see `Credentials`. `SecretCredentials` brings a client secret that may be replaced while the process runs.

`krauth.testing.ProviderContract` holds what every provider must do, as tests.

The attributes are the class's, or set before `use_origins` or `use_credentials`, which read them. The two base classes
may be named in either order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from ._auth.origin_auth import OriginAuth
from ._auth.user_auth import UserAuth
from ._oauth.client import OAuth2Credentials, check_api_origins
from ._oauth.client_auth import authenticate_client
from ._oauth.client_secret import SecretSource
from ._oauth.credentials import Credentials, ErrorTable, Rule, SecretCredentials, Verdict, fingerprint, make_key
from ._oauth.error_table import ClockVerdict, error_code, find_rule
from ._oauth.grants import (
    prepare_form_request,
    prepare_json_request,
    process_token_response,
    refusal,
)
from ._values.checks import printable, read_env, read_json_object, require_env, require_text
from ._values.clock import current_clock
from ._values.origin import Origin, check_base_url, parse_origin
from ._values.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._values.token import RefreshPolicy
    from .stores import TokenStore

__all__ = [
    "ClockVerdict",
    "Credentials",
    "ErrorTable",
    "OAuth2Credentials",
    "Origin",
    "OriginAuth",
    "Rule",
    "Secret",
    "SecretCredentials",
    "SecretSource",
    "UserAuth",
    "Verdict",
    "authenticate_client",
    "check_api_origins",
    "check_base_url",
    "error_code",
    "find_rule",
    "fingerprint",
    "hide",
    "make_key",
    "now",
    "parse_origin",
    "prepare_form_request",
    "prepare_json_request",
    "printable",
    "process_token_response",
    "read_env",
    "read_json_object",
    "refusal",
    "require_env",
    "require_text",
    "split_target",
    "use_credentials",
    "use_origins",
]


def use_origins(auth: OriginAuth, api_origins: str | Iterable[str]) -> None:
    """Say where a credential without tokens may be sent; called once, in the constructor.

    Args:
        auth: The object under construction.
        api_origins: One URL or several; paths are ignored.

    Raises:
        ConfigurationError: One is no absolute https URL (http only to this machine itself).
    """
    auth._set_origins(check_api_origins(api_origins))


def use_credentials(
    auth: OriginAuth,
    credentials: Credentials,
    *,
    store: TokenStore | str | None = None,
    refresh: RefreshPolicy | None = None,
    token_transport: object = None,
) -> None:
    """Let an auth object send the tokens of these credentials, to their origins; called once, in the constructor.

    Args:
        auth: The object under construction.
        credentials: What obtains its tokens.
        store: A `TokenStore` or the URL of one; `None`: the process's memory.
        refresh: When to refresh, and how long to wait.
        token_transport: As users hand it over; `None`: the stack's own.

    Raises:
        ConfigurationError: A setting can't be right.
    """
    auth._set_source(credentials, store, refresh, token_transport)


def now() -> float:
    """Return seconds since the epoch, by the clock that tests move (`krauth.testing.FakeClock`).

    `OriginAuth.server_time()` returns the API's own time instead, as far as it is known.
    """
    return current_clock().time()


def split_target(url: str) -> SplitResult:
    """Return the parts of a URL as they are sent, nothing decoded: `.path` is `"/"` where the URL has none."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path or "/")
