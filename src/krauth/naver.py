"""Everything that is true of the Naver Commerce API (네이버 커머스API) and of no other: signature, endpoints, errors.

Source: the vendor's authentication guide and API reference, https://apicenter.commerce.naver.com/docs/auth.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ._auth.origin_auth import OriginAuth
from ._auth.settings import REPLACING, Fixed
from ._oauth.credentials import ErrorTable, Rule, SecretCredentials, former_fingerprint, make_key
from ._values.checks import read_env, read_json_object, refuse_quotes, require_client_id, require_env, require_text
from ._values.exceptions import (
    ConfigurationError,
    InvalidClientError,
    IPNotAllowedError,
    RateLimitError,
    TokenEndpointError,
    TokenServerError,
)
from ._values.language import add_catalogue
from ._values.origin import check_base_url, parse_origin
from ._values.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._naver_signature import sign as sign
    from ._oauth.client import SecretSetting
    from ._values.messages import HTTPRequest, HTTPResponse
    from ._values.token import RefreshPolicy, Token
    from .stores import TokenStore

BASE_URL = "https://api.commerce.naver.com/external"
#: "While 30 minutes or more remain, the same token is returned again": asking earlier than this is of no use.
REFRESH_WINDOW = 1800.0
#: A timestamp in the future is refused, one up to five minutes old is not: so ours is a second old.
BACKDATING = 1.0

_IP_REMEDY = (
    "the caller's IP address is not on the application's allow-list (API center > application > API call IP);"
    " the token endpoint checks it too: if your calls leave through a proxy or a fixed IP, send token requests the"
    " same way with token_transport=<your client or session>. An agency's application gets this answer on /external:"
    " give it base_url='https://api.commerce.naver.com/partner'"
)
_TRANSIENT = Rule("the gateway failed; this is tried again by itself", error=TokenServerError)
#: Seconds until the next token request after a refusal that names no end. It doubles up to an hour: Naver's penalty is
#: one token an hour, and goes on while malformed requests come.
_PAUSE = 300.0
_ROUND = Rule(
    "the quota of this round of the data solution is used up; token requests of the whole application pause for 5"
    " minutes at least, and longer with each refusal",
    error=RateLimitError,
    pause=_PAUSE,
    application_wide=True,
)
_SECONDS = Rule(
    "the quota of this second is used up; wait a second, and share one token store between processes",
    error=RateLimitError,
    pause=1.0,
)
#: An own store's application has no quota: there this code means the penalty.
_PENALTY = Rule(
    "this is Naver's penalty for malformed token requests: one token an hour, for the whole application. The cause is a"
    " program at a registered IP address that sends such requests, for example with the parameters in the query string"
    " instead of the body; find and stop it. The penalty ends by itself some time after the last malformed request;"
    " until then token requests of this application pause for 5 minutes at least, and longer with each refusal",
    error=RateLimitError,
    pause=_PAUSE,
    application_wide=True,
    by_header=("GNCP-GW-Quota-Period", {"SECONDS": _SECONDS, "ROUND": _ROUND}),
)

ERRORS: ErrorTable = {
    (401, "GW.AUTHN"): Rule(
        "the token is not accepted; if a new one is not either, check that the application has the API group of"
        " this call and is of the right type (SELF or SELLER)",
        refresh=True,
        error=InvalidClientError,
    ),
    (403, "GW.AUTHN"): Rule(
        "this is the wrong kind of application for this API (a data solution's, for example), and a new token does not"
        " help; use the application that the API belongs to"
    ),
    (403, "GW.IP_NOT_ALLOWED"): Rule(_IP_REMEDY, error=IPNotAllowedError),
    (404, "GW.NOT_FOUND"): Rule(
        "there is no such API; check base_url (…/external, or …/partner for agencies) and path"
    ),
    (429, "GW.RATE_LIMIT"): Rule(
        "too many requests; wait, and share one token store between processes", error=RateLimitError, pause=1.0
    ),
    (429, "GW.QUOTA_LIMIT"): _PENALTY,
    # The header field tells of the penalty where no code can be read, as when a proxy replaced the body.
    (429, None): Rule(
        "too many requests; wait, and share one token store between processes",
        error=RateLimitError,
        pause=1.0,
        by_header=("GNCP-GW-Quota-Period", {"HOURS": _PENALTY, "SECONDS": _SECONDS, "ROUND": _ROUND}),
    ),
    (500, "GW.INTERNAL_SERVER_ERROR"): _TRANSIENT,
    **{(500, f"GW.PROXY.0{number}"): _TRANSIENT for number in range(1, 6)},
    **{(503, f"GW.BLOCK.0{number}"): _TRANSIENT for number in (1, 2)},
    **{(504, f"GW.TIMEOUT.0{number}"): _TRANSIENT for number in (1, 2)},
}

#: Which field of a token request was refused → what to do. The vendor publishes no codes for these.
_FIELD_REMEDIES = {
    "client_secret_sign": "the signature is not accepted: check that client_secret belongs to this client_id, and that"
    " the shell did not eat its $ signs (single quotes keep them)",
    "client_id": "there is no such application: check client_id",
    "timestamp": "the timestamp is not accepted: set this machine's clock (NTP); Naver allows five minutes",
    "account_id": "the seller is not accepted: check account_id, and that the seller has subscribed to your solution",
    "type": "this application has no such tokens: leave account_id out for your own shop, give it for other sellers",
}

_CARRIED = ("client_id", "timestamp", "client_secret_sign", "type", "account_id")


@add_catalogue
def _korean_remedies() -> Mapping[str, str]:
    from ._naver_korean import REMEDIES

    return REMEDIES


def __getattr__(name: str) -> object:
    """Load `sign` when it is first asked for: most programs that import this module sign nothing at once."""
    if name == "sign":
        from ._naver_signature import sign

        return sign
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.lru_cache(maxsize=64)
def _application_key(base_url: str, client_id: str) -> str:
    return make_key("naver", base_url, ("application", client_id))


class NaverCredentials(SecretCredentials):
    """Client credentials for one resource: the own shop (`SELF`), or one seller of a solution (`SELLER`).

    Args:
        client_id: The application's ID.
        client_secret: The application's secret: a string, an object with `get_secret_value()`, or a callable that
            returns either; read again when the server says that the client is invalid.
        account_id: The seller's ID or UID: makes the type `SELLER`. `None`: `SELF`.
        base_url: Ends in `/external`, or `/partner` for agencies.
        namespace: Part of the store key, so that tenants of one host do not share tokens; `None`: none.

    Raises:
        ConfigurationError: An argument can't be right.
    """

    __slots__ = ("account_id", "base_url", "namespace")

    provider = "naver"
    window = REFRESH_WINDOW
    signs_time = True
    errors = ERRORS
    #: What the vendor's support asks for; gateway errors repeat it in their body.
    trace_header = "GNCP-GW-Trace-ID"
    token_fields: ClassVar[dict[str, str]] = {"trace_id": "traceId"}

    def __init__(
        self,
        client_id: str | Secret,
        client_secret: SecretSetting,
        account_id: str | None = None,
        base_url: str = BASE_URL,
        namespace: str | None = None,
    ) -> None:
        from ._naver_signature import check_not_swapped, check_password, check_secret
        from ._oauth.client_secret import SecretSource

        secret = client_secret if isinstance(client_secret, SecretSource) else hide(client_secret)
        identifier = hide(client_id)
        del client_secret, client_id
        check_not_swapped(identifier)
        refuse_quotes(identifier, "client_id")
        self.client_id = require_client_id(identifier, "set NAVER_COMMERCE_CLIENT_ID")
        self.namespace = None if namespace is None else require_text(namespace, "namespace")
        source = secret if isinstance(secret, SecretSource) else SecretSource(secret, check_secret)
        check_password(identifier, 10**12)  # the length, before any request
        if account_id is not None:
            account_id = require_text(account_id, "account_id", "leave it out for your own shop")
        self.account_id = account_id
        self.base_url = check_base_url(base_url)
        self.token_endpoint = self.base_url + "/v1/oauth2/token"
        origin = parse_origin(self.base_url)
        self.origins = (origin,) if origin else ()
        self.take_secret(source)

    def make_keys(self, prove: Callable[..., str]) -> tuple[str, ...]:
        """Return the key with the secret in force, and then those of older versions."""
        whose = (
            ("namespace", self.namespace),
            ("client_id", self.client_id),
            ("type", self.type),
            ("account_id", self.account_id),
        )
        where = ("path", self.base_url.partition("://")[2].partition("/")[2])
        secret = self.client_secret.reveal()
        proofs = [prove(secret, salt=self.client_id)]
        if self.namespace is None:
            proofs.append(former_fingerprint(secret))
        return tuple(make_key("naver", self.base_url, *whose, where, ("secret", proof)) for proof in proofs)

    @property
    def application(self) -> str:
        """The store key of what concerns all sellers of the application: Naver punishes applications."""
        return _application_key(self.base_url, self.client_id)

    @property
    def client_secret(self) -> Secret:
        """The secret in force."""
        assert self._secret is not None
        return self._secret.current

    @property
    def type(self) -> str:
        """`"SELLER"` with an account_id, else `"SELF"`."""
        return "SELF" if self.account_id is None else "SELLER"

    @property
    def is_agency(self) -> bool:
        """Whether the base URL is that of agencies, which may use `SELLER` only."""
        return self.base_url.endswith("/partner")

    def for_account(self, account_id: str | None) -> NaverCredentials:
        """Return the same credentials for another seller; a secret that one reads again is new for the other, too."""
        assert self._secret is not None
        sibling = NaverCredentials(self.client_id, self._secret, account_id, self.base_url, self.namespace)
        sibling.token_endpoint, sibling.origins = self.token_endpoint, self.origins  # kept once for a fleet
        return sibling

    def prepare_token_request(self, now: float, token: Token | None = None) -> HTTPRequest:
        """Return the signed token request; parameters in the body only, since a query string gets 415 or a penalty.

        Raises:
            ConfigurationError: An agency's object without account_id was used itself. Nothing is sent: a malformed
                token request is punished.
        """
        if self.is_agency and self.account_id is None:
            raise ConfigurationError(
                "an agency (base_url …/partner) has no tokens for itself, only for its sellers (type SELLER): give"
                " account_id=…, or use for_account('<seller>') of this object"
            )
        from ._naver_signature import sign

        # A machine without a clock thinks it is 1970: the refusal brings the server's time, and is signed anew.
        timestamp = max(int((now - BACKDATING) * 1000), 10**12)
        from ._oauth.grants import prepare_form_request

        return prepare_form_request(
            self.token_endpoint,
            {
                "client_id": self.client_id,
                "timestamp": str(timestamp),
                "client_secret_sign": sign(self.client_id, self.client_secret, timestamp),
                "grant_type": "client_credentials",
                "type": self.type,
                "account_id": self.account_id,  # must not be sent with SELF
            },
        )

    def process_token_response(self, response: HTTPResponse, now: float, token: Token | None = None) -> Token:
        """Return the token. `expires_in` is the time that remains: the server may return a token it issued before."""
        try:
            return self.read_token(response, now, secrets=(self.client_secret,), carried=_CARRIED)
        except TokenEndpointError as error:
            raise _explain_field(error, read_json_object(response.body)) from None


def _explain_field(error: TokenEndpointError, data: Mapping[str, object] | None) -> TokenEndpointError:
    """Return `error` with the remedy for the field that the server names in `invalidInputs`."""
    inputs = (data or {}).get("invalidInputs")
    names = [item.get("name") for item in inputs if isinstance(item, dict)] if isinstance(inputs, list) else []
    for name in names:
        if isinstance(name, str) and name in _FIELD_REMEDIES and type(error) is TokenEndpointError:
            kind = InvalidClientError if name in ("client_id", "client_secret_sign") else TokenEndpointError
            trace = f"; trace id {error.trace_id}" if error.trace_id else ""
            return kind(
                f"token request refused: {error.status}{f' {error.code}' if error.code else ''};"
                f" {_FIELD_REMEDIES[name]}{trace}",
                status=error.status,
                code=error.code,
                error=error.error,
                error_description=error.error_description,
                trace_id=error.trace_id,
                retry_after=error.retry_after,
            )
    return error


class NaverAuthBase(OriginAuth):
    """Authentication for the Naver Commerce API: what the four stacks' `NaverAuth` have in common."""

    def __init__(
        self,
        client_id: str,
        client_secret: SecretSetting,
        *,
        account_id: str | None = None,
        base_url: str = BASE_URL,
        namespace: str | None = None,
        store: TokenStore | str | None = None,
        refresh: RefreshPolicy | None = None,
        token_transport: object = None,
    ) -> None:
        """Check the settings; nothing is sent until a token is needed.

        Args:
            client_id: The application's ID.
            client_secret: The application's secret, `$2a$04$` and 22 more characters: a string, an object with
                `get_secret_value()`, or a callable that returns either. It is read again when the server says that the
                client is invalid, so that a secret that was replaced needs no restart.
            account_id: The seller's ID or UID: tokens of type `SELLER`. `None`: the own shop, `SELF`; for an agency,
                which has no tokens for itself, a base for `for_account(…)`.
            base_url: Ends in `/external`, or `/partner` for agencies. The token endpoint is `/v1/oauth2/token` below.
            namespace: Part of the store key: hosts of many tenants give each tenant one, so that none uses the
                token of another. `None`: none.
            store: A `TokenStore` or the URL of one; `None`: the process's memory.
            refresh: When to refresh, and how long to wait; by default 30 minutes before expiry.
            token_transport: How token requests travel: a client or session of this library (the very one that
                carries this auth included), or a callable. Needed where calls leave through a proxy.

        Raises:
            ConfigurationError: A setting can't be right.
        """
        secret, identifier = hide(client_secret), hide(client_id)
        del client_secret, client_id
        credentials = NaverCredentials(identifier, secret, account_id, base_url, namespace)
        self._set_source(credentials, store, refresh, token_transport)

    client_id = Fixed(lambda auth: auth._tokens.credentials.client_id)
    client_secret = Fixed(None, REPLACING)
    account_id = Fixed(lambda auth: auth._tokens.credentials.account_id, "use for_account(…)")

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `NAVER_COMMERCE_CLIENT_ID`, `NAVER_COMMERCE_CLIENT_SECRET` and, if set,
        `NAVER_COMMERCE_ACCOUNT_ID` and `NAVER_COMMERCE_BASE_URL`.

        Args:
            settings: Keyword arguments of the class; they win over the environment.

        Raises:
            ConfigurationError: A variable is missing or can't be right.
        """
        settings.update({name: hide(settings[name]) for name in ("client_id", "client_secret") if name in settings})
        if settings.get("client_id") is None:
            settings["client_id"] = require_env("NAVER_COMMERCE_CLIENT_ID")
        if settings.get("client_secret") is None:
            settings["client_secret"] = require_env("NAVER_COMMERCE_CLIENT_SECRET")
        for name in ("account_id", "base_url"):
            if name not in settings and (value := read_env(f"NAVER_COMMERCE_{name.upper()}")) is not None:
                settings[name] = value
        return cls(**settings)

    def for_account(self, account_id: str | None) -> Self:
        """Return a sibling for another seller (or, with `None`, the own shop) that shares everything else.

        Raises:
            ConfigurationError: The account_id is empty.
        """
        source = self._tokens
        mine = source.credentials
        assert isinstance(mine, NaverCredentials)
        sibling = object.__new__(type(self))
        for name, value in vars(self).items():
            setattr(sibling, name, value)  # `vars(sibling)` would make a dict, which stays
        sibling._set_source(mine.for_account(account_id), source.store, source.policy, self._transport)
        return sibling
