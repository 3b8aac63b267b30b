"""ProviderContract: what every provider must do, as tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ._checks import check, skip
from ._clock import FakeClock
from ._process import reset

if TYPE_CHECKING:
    from .._auth.origin_auth import OriginAuth


class ProviderContract:
    """What every provider must do, as tests: subclass it, say how an auth object is made, and run pytest.

        class TestExampleAuth(ProviderContract):
            url = "https://api.example.com/v1/orders"
            secrets = ("secret-key",)
            expired = (401, b'{"code": "TIMESTAMP"}')

            def make_auth(self):
                return ExampleAuth("access-key", "secret-key")

    Nothing is sent: a provider with tokens is given a callable as `token_transport` that answers token requests. The
    clock stands still, and is moved by the tests.
    """

    #: The URL of a call that the credential is for.
    url: str = ""
    #: What no repr and no log may show.
    secrets: tuple[str, ...] = ()
    #: Whether each sending carries new fields, as with a provider that signs requests.
    signs: bool = False
    #: Status and body of an answer after which the request is repeated once; `None`: there is none. It comes with a
    #: `Date` ten minutes ahead.
    expired: tuple[int, bytes] | None = None
    #: Status and body of an answer after which nothing is repeated.
    denied: tuple[int, bytes] = (403, b"{}")
    #: Seconds between two requests of a test.
    pause: float = 61.0

    clock: FakeClock

    def make_auth(self) -> OriginAuth:
        """Return an auth object of any stack, which no test has used."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_auth()")

    def make_other(self) -> OriginAuth | None:
        """Return an auth object for another account with the same client: a shop, a seller, a service account.

        `None`: a client has one account alone.
        """
        return None

    def setup_method(self) -> None:
        """Stop the clock, and forget tokens, failures and clocks."""
        self._fresh = reset()
        self._fresh.__enter__()
        self.clock = FakeClock()
        self.clock.__enter__()

    def teardown_method(self) -> None:
        """Let the clock go on."""
        self.clock.__exit__(None, None, None)
        self._fresh.__exit__(None, None, None)

    def test_a_call_is_credited(self) -> None:
        """A request to the API carries header fields that any HTTP library sends as they are (RFC 9110 §5)."""
        fields = self._credited(self.make_auth())
        for name, value in fields.items():
            check(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None, f"{name!r} is no name of a field")
            is_text = isinstance(value, str) and re.fullmatch(r"[!-~](?:[\t -~]*[!-~])?", value) is not None
            check(is_text, f"the value of {name} must be a string of printable ASCII")

    def test_redirects(self) -> None:
        """Every field is named in `extra_names`, so that it is taken off a redirect to another origin."""
        auth = self.make_auth()
        declared = {name.lower() for name in auth.own_names}
        for method in ("GET", "POST"):
            undeclared = [name for name in self._credited(auth, method) if name.lower() not in declared]
            check(not undeclared, f"extra_headers() returns {undeclared}, which extra_names does not name")

    def test_other_origins(self) -> None:
        """A URL of another origin gets nothing, however much it looks like the API's."""
        auth = self.make_auth()
        sent = self._credited(auth)
        for url in _foreign_urls(self.url):
            fields = auth.headers("GET", url)
            check(fields == {}, f"a request to {url} carries {', '.join(fields)}: it is for another origin")
            status, body = self.expired or self.denied
            again = auth.refused("GET", url, status, self._answered(), body, sent)
            check(again is None, f"a refusal by {url} must not be answered with a credential")

    def test_accounts_are_apart(self) -> None:
        """Two accounts share no token: what tells them apart is in the store key."""
        other = self.make_other()
        if other is None or other._source is None:
            skip(f"{type(self).__name__} has one account, or no token")
        own = self.make_auth()._source
        assert own is not None
        assert other is not None
        assert other._source is not None
        one, two = own.credentials, other._source.credentials
        check(
            one.key != two.key and one.local_key != two.local_key,
            "two accounts would share one token: give what tells them apart as namespace=…, or to make_key",
        )

    def test_replay(self) -> None:
        """A request that is sent again carries new fields, if the provider signs requests."""
        if not self.signs:
            skip(f"{type(self).__name__}.signs is false")
        auth = self.make_auth()
        first = dict(self._credited(auth))
        self.clock.advance(self.pause)
        check(first != dict(self._credited(auth)), "the same request a minute later must carry new fields")

    def test_a_refusal_is_repeated_once(self) -> None:
        """After `expired` the request is repeated with other fields; refused again, it is handed back."""
        if self.expired is None:
            skip(f"{type(self).__name__}.expired is None")
        assert self.expired is not None
        auth, (status, body) = self.make_auth(), self.expired
        sent = self._credited(auth)
        self.clock.advance(self.pause)
        again = auth.refused("GET", self.url, status, self._answered(), body, sent)
        check(again is not None, "the answer `expired` must lead to fields for one more request")
        assert again is not None
        check(dict(again) != dict(sent), "the repeated request must not carry the fields that were refused")
        third = auth.refused("GET", self.url, status, self._answered(), body, again)
        check(third is None, "a request that was repeated and refused again must be handed back")

    def test_a_refusal_that_stands(self) -> None:
        """After `denied`, and after an answer without a fault, nothing is repeated."""
        auth = self.make_auth()
        for status, body in (self.denied, (200, b"{}"), (204, b""), (404, b"{}"), (503, b"")):
            again = auth.refused("GET", self.url, status, self._answered(), body, self._credited(auth))
            check(again is None, f"an answer {status} {body[:60]!r} must not lead to one more request")

    def test_any_answer_is_judged(self) -> None:
        """`judge` takes anything that a server or a proxy may answer, and raises nothing."""
        auth = self.make_auth()
        bodies = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"code": {"a": []}}', b'{"error": [1]}', b"[" * 9999)
        for status in sorted({*auth.judged_statuses, 401, 403, 500}):
            for body in (*bodies, b"<html>" * 999):
                verdict = auth.judge("GET", status, {"Content-Type": "application/json"}, body)
                check(isinstance(verdict.refresh, bool), f"judge() must return a Verdict for {status} {body[:20]!r}")

    def test_nothing_shows_a_secret(self) -> None:
        """No repr, no attribute's repr and no log line shows a secret or a field's value; no pickle holds one."""
        import logging
        import pickle

        check(bool(self.secrets), "set secrets to what no repr and no log may show")
        lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
        logger, auth = logging.getLogger("krauth"), self.make_auth()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            sent = self._credited(auth)
            status, body = self.expired or self.denied
            auth.refused("GET", self.url, status, self._answered(), body, sent)
            auth.headers("GET", "https://elsewhere.example/")
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
        carried = [value for name in auth.own_names if len(value := sent.get(name, "")) > 30]
        for text in (repr(auth), f"{auth}", repr(sent), repr(vars(auth)), *lines):
            for secret in (*self.secrets, *carried):
                check(secret not in text, f"a secret shows in {text.replace(secret, '(the secret)')[:500]!r}")
        try:
            pickle.dumps(auth)
        except TypeError:
            return
        raise AssertionError("an auth object must not be pickled: it holds a credential")

    def _credited(self, auth: OriginAuth, method: str = "GET") -> dict[str, str]:
        check(bool(self.url), "set url to the URL of a call that the credential is for")
        fields = auth.headers(method, self.url, b'{"a": "b"}' if method == "POST" else None)
        check(bool(fields), f"a request to {self.url} must carry a credential")
        return fields

    def _answered(self) -> dict[str, str]:
        from email.utils import formatdate

        date = formatdate(self.clock.time() + 600, usegmt=True)
        return {"Content-Type": "application/json;charset=UTF-8", "Date": date}


def _foreign_urls(url: str) -> list[str]:
    """Return URLs of other origins that look like this one."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = authority.partition(":")
    other_port = str(int(port) + 1) if port.isdecimal() else "8443"
    others = [
        *(f"{scheme}://{host}:{other_port}", f"{scheme}://{authority}.evil.example", f"{scheme}://evil-{authority}"),
        *(
            f"{scheme}://{authority}@evil.example",
            f"{scheme}://evil.example?{authority}",
            f"{scheme}://sub.{authority}",
        ),
        *(f"{scheme}://evil.example\\@{authority}", "https://evil.example", "http://evil.example"),
    ]
    if scheme == "https":
        others += [f"http://{authority}", f"http://{host}"]
    return [f"{other}/{path}" for other in others]
