"""What one client may prove at one provider, as data and pure functions: no I/O, no clock.

`Credentials` is what the engine and the adapters know of a provider. `naver`, `meloming` and `oauth2` fill it in;
adding a provider touches no other module. Here are also the keys of stores, and what binds a user's entry to a client.
"""

from __future__ import annotations

import functools
import hashlib
import os
from typing import TYPE_CHECKING, ClassVar, NoReturn

from .._values.checks import DEFAULT_JUDGED
from .._values.exceptions import AuthorizationRequired, ConfigurationError
from .._values.guard import shown_key
from .._values.origin import Origin, parse_origin
from .error_table import ErrorTable, Rule, Verdict, judge_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.secret import Secret
    from .._values.token import Token
    from .client_secret import SecretSource
    from .error_table import FieldNames

__all__ = [
    "Credentials",
    "ErrorTable",
    "Rule",
    "SecretCredentials",
    "Verdict",
    "endpoint_parts",
    "fingerprint",
    "former_fingerprint",
    "local_fingerprint",
    "make_key",
    "make_proof",
    "matches_proof",
]

#: What `local_fingerprint` is keyed with: nothing outside this process knows it. A fork goes on with its parent's.
_LOCAL = os.urandom(32)


class Credentials:
    """Base of every kind of credential that obtains tokens.

    Attributes:
        provider: Short name, part of the store key and of every event.
        key: The key in token stores, made with `make_key`: two credentials with the same key share one token.
            `SecretCredentials` and `OAuth2Credentials` make it of their own arguments. What else tells tokens apart,
            such as a service account, is given to them as `namespace`.
        origins: Where the access token may be sent.
        token_endpoint: Where tokens are obtained.
        window: Seconds before expiry from which on the provider issues another token, or `None`.
        signs_time: Whether a token request holds a timestamp, so that a wrong clock can be why it is refused.
        uses_refresh_token: Whether the next token costs a refresh token, which must then not be lost.
        min_interval: Seconds between two token requests that the server wants at least, for example 60 where it
            issues one token a minute; 0 for none.
        judged_statuses: The statuses of API calls that `judge` is asked about.
        judged_header: For a status below 300: the header field that an answer must have to be judged, or `None`.
        judged_json: For a status below 300: whether answers in JSON, of 64 KiB at most, are judged by their body.
        errors: The provider's error table.
        error_defaults: What a status means for the token where neither `errors` nor the RFCs name the code.
        token_fields: Our name of a field → the server's name, a dotted path into nested objects, or several in order.
            Names: `access_token`, `token_type`, `expires_in`, `expires_at`, `refresh_token`,
            `refresh_token_expires_in`, `refresh_token_expires_at`, `scope`, `error`, `error_description`, `trace_id`.
            A number in a path is an index: `errors.0.code`. `error_pattern`: a regular expression whose first group
            is the code, where `error` is a sentence.
        token_time_zone: The zone of an `expires_at` that names none: `"KST"`, `"UTC"` or an IANA name.
        token_time_format: The format of an `expires_at` for `strptime`; `None`: ISO 8601, 14 digits, or a number.
        trace_header: The header field that the vendor's support asks for, or `None`.
    """

    __slots__ = ("_key", "client_id", "origins", "token_endpoint")

    provider: str = "oauth2"
    window: float | None = None
    signs_time: bool = False
    uses_refresh_token: bool = False
    min_interval: float = 0.0
    judged_statuses: frozenset[int] = DEFAULT_JUDGED
    judged_header: str | None = None
    judged_json: bool = False
    errors: ClassVar[ErrorTable] = {}
    error_defaults: ClassVar[ErrorTable] = {}
    token_fields: ClassVar[FieldNames] = {}
    token_time_zone: str | None = None
    token_time_format: str | None = None
    trace_header: str | None = None

    _key: str
    client_id: str
    origins: tuple[Origin, ...]
    token_endpoint: str

    @property
    def key(self) -> str:
        """The key in token stores: who, where and for what; never a secret. A subclass sets it, with `make_key`."""
        try:
            return self._key
        except AttributeError:
            raise ConfigurationError(
                f"{type(self).__name__} has no key: its constructor sets self.key = make_key(…), with all that tells"
                " its tokens apart"
            ) from None

    @key.setter
    def key(self, key: str) -> None:
        self._key = key

    @property
    def local_key(self) -> str:
        """The key for what ends with the process. It tells apart what `key` does, and is made faster."""
        return self.key

    @property
    def former_keys(self) -> tuple[str, ...]:
        """The keys under which older versions of krauth saved the same token; read where `key` has no entry."""
        return ()

    @property
    def proof_secret(self) -> Secret | None:
        """The secret whose proof is saved with a user's token; `None` where there is none, or the key tells it."""
        return None

    @property
    def audience(self) -> str:
        """The origins that the access token may be sent to, as they are saved with a user's token."""
        return " ".join(sorted(map(str, self.origins)))

    def is_audience(self, audience: str | None) -> bool:
        """Whether a token that was saved for `audience` may be sent to all of these origins.

        An entry of an older krauth names none (`None`): it may.
        """
        return audience is None or set(self.audience.split()) <= set(audience.split())

    @property
    def application(self) -> str | None:
        """The store key of what all tokens of the application share: a penalty; `None`: tokens share nothing."""
        return None

    def binding(self) -> tuple[str | None, str | None]:
        """Return what a stored token is bound to: a proof of the secret, and its audience; see `is_bound_to`."""
        if not self.uses_refresh_token:
            return None, None
        return make_proof(self.proof_secret), self.audience

    def is_bound_to(self, proof: str | None, audience: str | None) -> bool:
        """Whether a stored token may be handed to these credentials: same secret, same audience."""
        if not self.uses_refresh_token:
            return True
        return self.is_audience(audience) and matches_proof(proof, self.proof_secret)

    @property
    def beyond_key(self) -> tuple[object, ...]:
        """What tells two credentials apart in this process and is not in the key, such as the secrets themselves."""
        return ()

    @property
    def identity(self) -> object:
        """What makes two credentials interchangeable in this process: the key, and every secret."""
        return (self.local_key, *self.beyond_key)

    def reread_secret(self, identity: object) -> bool:
        """Read the client secret again, after the server said that the client is invalid; blocks while that takes.

        Args:
            identity: `identity` as it was when the refused request was made.

        Returns:
            Whether `identity` is another now, so that a new request may succeed.
        """
        return False

    def prepare_token_request(self, now: float, token: Token | None) -> HTTPRequest:
        """Return the request that obtains the next token.

        Args:
            now: The server's time as far as known, seconds since the epoch.
            token: The last token, for grants that spend its refresh token.

        Raises:
            AuthorizationRequired: A user has to authorize first.
        """
        raise NotImplementedError

    def process_token_response(self, response: HTTPResponse, now: float, token: Token | None = None) -> Token:
        """Return the token in a response, or raise what the response means.

        Args:
            response: What the token endpoint answered.
            now: When the request was sent, our own clock, seconds since the epoch: a token lives from then at most.
            token: The last token, whose refresh token stays in force where the response brings none.

        Raises:
            TokenEndpointError: The server refused, or the response is not a token response.
        """
        return self.read_token(response, now, token)

    def read_token(
        self,
        response: HTTPResponse,
        now: float,
        token: Token | None = None,
        *,
        secrets: Sequence[Secret] = (),
        carried: Sequence[str] = (),
    ) -> Token:
        """Return the token in a response, read as the class attributes say.

        Args:
            response: What the token endpoint answered.
            now: When the request was sent, our own clock, seconds since the epoch.
            token: The last token, or `None`.
            secrets: What the request held and no error may show.
            carried: The names of the fields that the request carried, for messages.

        Raises:
            TokenEndpointError: The server refused, or the response is not a token response.
        """
        from .grants import process_token_response  # grants: needed by token requests alone

        return process_token_response(
            response,
            now,
            errors=self.errors,
            previous=token,
            secrets=secrets,
            token_fields=self.token_fields,
            time_zone=self.token_time_zone,
            time_format=self.token_time_format,
            trace_header=self.trace_header,
            carried=carried,
        )

    def missing_scope(self, token: Token) -> str | None:
        """Return the requested scopes that the server did not grant, as text, or `None`."""
        return None

    def authorization_required(self, why: str) -> AuthorizationRequired:
        """Return the error that sends a user to sign in."""
        return AuthorizationRequired(f"{self.provider}: a user has to authorize: {why}")

    def judge(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Say what an answer with one of `judged_statuses` means for the token that was sent, by the error table."""
        return judge_refusal(
            self.errors, method, status, headers, body, defaults=self.error_defaults, names=self.token_fields
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled; make them anew from the environment where they are needed")

    def __repr__(self) -> str:
        try:
            key = shown_key(self.local_key)
        except Exception:  # noqa: BLE001  an error tracker looks at any time, also before there is a key
            key = "unfinished"
        return f"<{type(self).__name__} {key}>"


class SecretCredentials(Credentials):
    """Base of credentials with a client secret, which may be replaced where it comes from while the process runs.

    A subclass defines `make_keys`, and its constructor ends with `take_secret(SecretSource(secret, check))`.
    """

    __slots__ = ("_keyed", "_locally_keyed", "_secret")

    _secret: SecretSource | None
    #: A secret and the key that it makes. It is made when it is asked for: most programs keep tokens in memory.
    _keyed: tuple[Secret | None, str] | None
    _locally_keyed: tuple[Secret | None, str] | None

    @property
    def client_secret(self) -> Secret | None:
        """The secret in force, or `None` for a public client."""
        return self._secret.current if self._secret is not None else None

    @property  # type: ignore[misc]  # the setter of `Credentials` is for those without `make_keys`
    def key(self) -> str:
        """The key in token stores; another one after the secret was replaced, where the key depends on it."""
        secret, keyed = self.client_secret, self._keyed
        if keyed is None or keyed[0] is not secret:
            self._keyed = keyed = secret, self.make_keys(fingerprint)[0]
        return keyed[1]

    @property
    def local_key(self) -> str:
        """The key for what ends with the process; another one after the secret was replaced, as `key` is."""
        if type(self).key is not SecretCredentials.key:
            return self.key  # a subclass's, which may tell more apart than `make_keys` does
        secret, keyed = self.client_secret, self._locally_keyed
        if keyed is None or keyed[0] is not secret:
            keyed = secret, self.make_keys(local_fingerprint)[0]
            if self._keyed is None:  # else the other one is in use: a fleet has no memory for both
                self._locally_keyed = keyed
        return keyed[1]

    @property
    def former_keys(self) -> tuple[str, ...]:
        """The keys under which older versions of krauth saved the same token."""
        return self.make_keys(fingerprint)[1:]  # read once in the life of a process: not worth the memory of a fleet

    @property
    def beyond_key(self) -> tuple[object, ...]:
        """The secret (a corrected one must not wait for a wrong one's refresh), and whether it can change."""
        return (self.client_secret, self._secret is not None and self._secret.can_change)

    def make_keys(self, prove: Callable[..., str]) -> tuple[str, ...]:
        """Return the key with the secret in force, and then those of older versions.

        Args:
            prove: What makes a fingerprint of a secret: `fingerprint` or `local_fingerprint`. Its part of a key has the
                name `secret`, `parameters` or `headers`: events leave these parts out.
        """
        raise NotImplementedError

    def take_secret(self, source: SecretSource | None) -> None:
        """Take the secret; the last thing that a constructor does."""
        self._secret, self._keyed, self._locally_keyed = source, None, None

    def reread_secret(self, identity: object) -> bool:
        """Read the secret again, unless another was read since; see `Credentials.reread_secret`."""
        if self._secret is not None and self.identity == identity:
            self._secret.reread(self._secret.current)
        return self.identity != identity


def fingerprint(*secrets: str, salt: str = "") -> str:
    """Return 24 hex digits that tell secrets apart without giving them away, for a store key.

    A secret that people chose ("tulip42") has few alternatives. SHA-256 tries millions of them in a second; scrypt
    takes about 10 ms and 4 MiB for each. Done once for each secret of the process.

    Args:
        secrets: The secrets.
        salt: What the secret is for, such as the client_id: no table of fingerprints then serves for all clients.
    """
    return _stretch(_digest(*secrets), f"krauth fingerprint\0{salt}")[:24]


def local_fingerprint(*secrets: str, salt: str = "") -> str:
    """Return 16 hex digits that do the same in this process alone: no other can make them, so they need not be slow."""
    salted = _digest(*secrets) + salt.encode(errors="surrogatepass")
    return hashlib.blake2b(salted, key=_LOCAL, digest_size=8).hexdigest()


def former_fingerprint(*secrets: str) -> str:
    """Return the fingerprint that krauth 0.1 put into store keys, so that its entries are found: truncated SHA-256."""
    return hashlib.sha256(b"krauth secret\0" + "\0".join(secrets).encode()).hexdigest()[:16]


def make_proof(secret: Secret | None, salt: str | None = None) -> str:
    """Return what proves, in a stored entry, which secret its token was obtained with, and does not tell it.

    Args:
        secret: The client's secret; `None`: a public client.
        salt: Printable text without `.`; `None`: random.
    """
    salt = os.urandom(12).hex() if salt is None else salt
    digest = _digest("public client" if secret is None else f"secret {secret.reveal()}")
    return f"{salt}.{_stretch(digest, f'krauth proof{chr(0)}{salt}')[:32]}"


def matches_proof(proof: str | None, secret: Secret | None) -> bool:
    """Whether a stored entry was made with this secret; true of an older krauth's, which has no proof (`None`)."""
    import hmac

    return proof is None or hmac.compare_digest(proof.encode(), make_proof(secret, proof.partition(".")[0]).encode())


def _digest(*secrets: str) -> bytes:
    return hashlib.sha256("\0".join(secrets).encode(errors="surrogatepass")).digest()


@functools.lru_cache(maxsize=1024)
def _stretch(digest: bytes, salt: str) -> str:
    return hashlib.scrypt(digest, salt=salt.encode(errors="surrogatepass"), n=2**12, r=8, p=1, dklen=16).hex()


def endpoint_parts(endpoint: str) -> tuple[tuple[str, str | None], ...]:
    """Return path and query of an endpoint as parts of a store key; `None` where there is no query."""
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint)
    return ("path", parts.path.removeprefix("/")), ("query", parts.query or None)


def make_key(provider: str, endpoint: str, *parts: tuple[str, str | None]) -> str:
    """Return a store key: provider, origin and the parts that are given, as printable ASCII without blanks."""
    from urllib.parse import quote

    # No f-string: `format` of an enum's text, say, returns another text.
    named = [
        name + "=" + (value if value.isascii() and value.isalnum() else quote(value, safe=""))
        for name, value in parts
        if value is not None
    ]
    key = "|".join([provider, str(parse_origin(endpoint)), *named])
    if len(key) <= 400:
        return key
    return f"{key[:300]}|sha256={hashlib.sha256(key.encode()).hexdigest()}"
