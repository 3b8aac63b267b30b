"""For tests of code that uses krauth: a static token, a fresh start, a clock that is moved by hand, contracts."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ._values.clock import Clock, current_clock, install_clock
from ._values.exceptions import ConfigurationError, StoreConflict
from .stores import ANY, Lease, Stored, TokenStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ._auth.origin_auth import OriginAuth

T = TypeVar("T")

#: Header fields that hold a credential: of a call, of a token request (`client_secret_basic`), of a proxy.
_SECRET_HEADERS = ("Authorization", "Proxy-Authorization", "X-API-Key")
#: Form fields that hold a secret: RFC 6749, RFC 7009 and 7662 (`token`), RFC 7636, RFC 7521, and Naver's signature.
_SECRET_FIELDS = (
    *("client_secret", "client_secret_sign", "refresh_token", "code", "code_verifier", "assertion"),
    *("client_assertion", "token", "access_token", "id_token", "password", "username"),
)
#: Query parameters that hold a secret: a callback's code, and tokens where a service puts them into the URL.
_SECRET_QUERY = ("code", "access_token", "refresh_token", "id_token", "token", "client_secret", "api_key")
#: Members of an answer that hold a secret: RFC 6749, section 5.1, OpenID Connect, RFC 7591.
_SECRET_MEMBERS = frozenset(
    {"access_token", "refresh_token", "id_token", "client_secret", "code", "registration_access_token"}
)
_HIDDEN = "REDACTED"


class FakeClock(Clock):
    """A clock that stands still until it is moved. Inside `with FakeClock() as clock:` new auth objects read it.

    Args:
        now: Seconds since the epoch at which it starts; by default the present.
    """

    __slots__ = ("_before", "_mono", "_suspended", "_wall")

    def __init__(self, now: float | None = None) -> None:
        self._wall = time.time() if now is None else now
        self._mono = 1_000_000.0
        self._suspended = 0.0
        self._before: Clock | None = None

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return self._mono

    def elapsed(self) -> float:
        """Return seconds since an arbitrary start, suspended time included."""
        return self._mono + self._suspended

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._mono += seconds

    def set_wall(self, seconds: float) -> None:
        """Move the wall clock alone by `seconds`, forward or back, as when a user sets the time."""
        self._wall += seconds

    def suspend(self, seconds: float) -> None:
        """Let time pass as on a machine that sleeps: the wall clock goes on, the monotonic clock stands still."""
        self._wall += seconds
        self._suspended += seconds

    def __enter__(self) -> Self:
        self._before = install_clock(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            install_clock(self._before)


class static_token:  # noqa: N801  used like a function
    """Let every auth object of the process send one token and ask no server, for the time of a `with` block.

        with krauth.testing.static_token("test-token"):
            ...

    Auth objects that exist already and those made inside send it. A refused request is not repeated. Inside the block
    secrets may be any text. Also a pytest fixture: `krauth_static_token`.

    Args:
        token: What stands behind `Bearer `.
        auths: Only these auth objects, and those that share a token with them; none: all of the process.
    """

    def __init__(self, token: str = "krauth-test-token", *auths: object) -> None:  # noqa: S107  made up
        self.token = token
        self._auths = auths

    def __enter__(self) -> str:
        from ._engine import source
        from ._engine.snapshot import Snapshot
        from ._values import secret
        from ._values.token import Token

        snapshot = Snapshot.of(Token(self.token, None, time.time()), 0, 0.0, 0.0, current_clock())
        targets = [getattr(auth, "_source", None) for auth in self._auths] if self._auths else [source.EVERYONE]
        if None in targets:
            raise ConfigurationError("static_token takes auth objects that send tokens")
        self._before = [(target, source._static.get(target)) for target in targets]
        self._dummies = secret.accept_dummies(secret.accepts_dummies or not self._auths)
        for target in targets:
            source.set_static(target, snapshot)
        return self.token

    def __exit__(self, *exception: object) -> None:
        from ._engine import source
        from ._values import secret

        secret.accept_dummies(self._dummies)
        for target, before in self._before:
            source.set_static(target, before)


class reset:  # noqa: N801  used like a function
    """Forget all tokens, failures and stores of this process, now and, as `with reset():`, at the end of the block.

    Tests then do not depend on each other. Tokens in SQLite, Redis and other durable stores stay; so name another store
    for each test. Auth objects that exist go on with the new, empty state. Also a pytest fixture: `krauth_reset`.
    """

    def __init__(self) -> None:
        from . import _plugins
        from ._auth import origin_auth, user_auth
        from ._engine import source
        from .stores import clear_memory

        source.reset()
        clear_memory()
        origin_auth.reset()
        user_auth.reset()
        _plugins.forget_opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        type(self)()


def vcr_filters() -> dict[str, Any]:
    """Return keyword arguments for vcrpy that keep every secret of a token request and of a call out of a cassette.

        my_vcr = vcr.VCR(**krauth.testing.vcr_filters())

    They hide header fields, form fields, query parameters, and the tokens in answers, compressed ones and redirects
    included. Equal tokens of one recording are replaced by equal texts and different tokens by different ones, so
    that a cassette in which a refused token is refreshed can be replayed. Cookies are recorded as they are.
    """
    import hashlib
    import hmac
    import secrets

    salt = secrets.token_bytes(16)

    def name(value: str) -> str:
        return f"{_HIDDEN}-{hmac.new(salt, value.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:12]}"

    def hide(response: dict[str, Any]) -> dict[str, Any]:
        return _hide_answer(response, name)

    return {
        "filter_headers": [(header, _HIDDEN) for header in _SECRET_HEADERS],
        "filter_post_data_parameters": [(field, _HIDDEN) for field in _SECRET_FIELDS],
        "filter_query_parameters": [(parameter, _HIDDEN) for parameter in _SECRET_QUERY],
        "before_record_response": hide,
        "decode_compressed_response": True,
    }


def _hide_answer(response: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """Replace the secrets in a response as vcrpy records it; `name` makes the replacement of one."""
    import json
    import re

    headers = {field.lower(): field for field in response["headers"]}
    if location := headers.get("location"):
        pattern = re.compile(rf"([?&#](?:{'|'.join(_SECRET_QUERY)})=)([^&#]*)")
        values = response["headers"][location]
        hidden = [pattern.sub(rf"\g<1>{_HIDDEN}", value) for value in ([values] if isinstance(values, str) else values)]
        response["headers"][location] = hidden[0] if isinstance(values, str) else hidden
    body = response["body"]["string"]
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        answer = json.loads(text)
    except ValueError:  # RFC 6749 asks for JSON; some services answer with a form
        found = re.compile(rf"(^|&)({'|'.join(sorted(_SECRET_MEMBERS - {'code'}))})=([^&\s]+)")
        hidden_text = found.sub(lambda match: f"{match[1]}{match[2]}={name(match[3])}", text)
    else:
        # `code` is a secret where it comes with a state, as in an answer of an authorization endpoint; else an error's.
        members = _SECRET_MEMBERS if isinstance(answer, dict) and "state" in answer else _SECRET_MEMBERS - {"code"}
        replaced = _hide_members(answer, members, name)
        hidden_text = text if replaced == answer else json.dumps(replaced, ensure_ascii=False)
    if hidden_text != text:
        response["body"]["string"] = hidden_text.encode() if isinstance(body, bytes) else hidden_text
        if length := headers.get("content-length"):
            old = response["headers"][length]
            new = str(len(hidden_text.encode()))
            response["headers"][length] = new if isinstance(old, str) else [new]
    return response


def _hide_members(value: Any, members: frozenset[str], name: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            key: name(inner) if key in members and isinstance(inner, str) else _hide_members(inner, members, name)
            for key, inner in value.items()
        }
    return [_hide_members(inner, members, name) for inner in value] if isinstance(value, list) else value


class TokenStoreContract:
    """What every token store must do, as tests: subclass it, say how a store is made, and run pytest.

        class TestMyStore(TokenStoreContract):
            def make_store(self):
                return MyStore("tcp://127.0.0.1:4711")

    Each test uses another key, so all tests may share one place. The stores are closed after the test. If a store
    cannot do something, set its attribute below to false; `TokenStore` says which promise is then lost.
    """

    #: Stores made by `make_store` in the same test see the same entries.
    shared: bool = True
    #: `acquire` grants one lease at a time, and a save under a lost lease is refused.
    has_leases: bool = True
    #: `save(version=…)` compares.
    compares_versions: bool = True
    #: An entry is gone once `expires_at` has passed.
    drops_expired: bool = True
    #: `keys()` returns all keys.
    lists_keys: bool = True
    #: Threads that save at the same time.
    threads: int = 8
    #: Seconds that the shortest test lease lasts; more where a store is slow.
    short: float = 0.2
    #: Seconds after which waiting for something is given up.
    patience: float = 10.0

    def make_store(self) -> TokenStore:
        """Return a store on the place that the test uses. Called again, one on the same place where `shared`."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_store()")

    def reopen(self) -> TokenStore:
        """Return a second store, as another process or the next start would open; the first remains open."""
        self._require("shared")
        return self._made(self.make_store())

    @property
    def store(self) -> TokenStore:
        """The store under test, made when first used."""
        if "_store" not in self.__dict__:
            self.__dict__["_store"] = self._made(self.make_store())
        store: TokenStore = self.__dict__["_store"]
        return store

    @property
    def key(self) -> str:
        """A key that no other test uses."""
        return str(self.__dict__.setdefault("_key", f"contract|https://api.example|{uuid.uuid4().hex}"))

    def teardown_method(self) -> None:
        """Close the stores that the test made."""
        for store in self.__dict__.pop("_all", []):
            store.close()

    def test_what_was_saved_is_loaded(self) -> None:
        """The text comes back exactly, under the version that save returned."""
        _check(self.store.load(self.key) is None, "load() of a key that was never saved must return None")
        version = self.store.save(self.key, '{"a": 1}')
        self._holds('{"a": 1}', version)

    def test_keys_are_apart(self) -> None:
        """Entries with similar keys have nothing to do with each other."""
        others = [self.key + suffix for suffix in ("|", "%", "_", "/x", "?y=1", "#0", ":token", "*", "}", " z")]
        self.store.save(self.key, "mine")
        for number, other in enumerate(others):
            _check(self.store.load(other) is None, f"load({other!r}) must not find the entry {self.key!r}")
            self.store.save(other, f"theirs {number}")
        self._holds("mine")
        for number, other in enumerate(others):
            self._holds(f"theirs {number}", key=other)
            self.store.delete(other)
        self._holds("mine")

    def test_long_keys(self) -> None:
        """A key of 512 characters is kept whole: one that differs in its last character is another."""
        key = self.key.ljust(511, "k")
        self.store.save(key + "1", "one")
        self.store.save(key + "2", "two")
        self._holds("one", key=key + "1")
        self._holds("two", key=key + "2")

    def test_a_save_replaces(self) -> None:
        """A load returns the last save; its version is a new one, also for equal text."""
        first = self.store.save(self.key, "same")
        second = self.store.save(self.key, "same")
        _check(first != second, "every save must return a new version, also when the text is the same")
        third = self.store.save(self.key, "short")
        self._holds("short", third)

    def test_unicode(self) -> None:
        """Any text is kept: Korean, astral characters, quotes, line ends, control characters, none at all."""
        for text in ("스마트스토어 토큰", "🙂🇰🇷\U0010ffff", "\"'`\\%s{}$1;--", "a\r\nb\n\tc\x7f\x01", " x ", ""):
            self.store.save(self.key, text)
            self._holds(text)

    def test_large_values(self) -> None:
        """64 KiB are kept, and a small text after them leaves nothing of them."""
        large = "".join(f"{number:08x}" for number in range(8192))
        self.store.save(self.key, large)
        self._holds(large)
        self.store.save(self.key, "small")
        self._holds("small")
        self.store.save(self.key, large[::-1])
        self._holds(large[::-1])

    def test_delete(self) -> None:
        """A deleted entry is gone; deleting a missing entry is no error."""
        self.store.delete(self.key)
        self.store.save(self.key, "gone soon")
        self.store.delete(self.key)
        _check(self.store.load(self.key) is None, "load() after delete() must return None")
        self.store.delete(self.key)

    def test_no_version_comes_back(self) -> None:
        """A version differs from every earlier one of the key, also after a deletion."""
        seen: set[str] = set()
        for _ in range(5):
            seen.add(self.store.save(self.key, "text"))
            self.store.delete(self.key)
        _check(len(seen) == 5, "a version was used again after delete(): a writer that knew it could overwrite")

    def test_save_compares_versions(self) -> None:
        """A save that expects another version is refused and changes nothing."""
        self._require("compares_versions")
        first = self.store.save(self.key, "first", version=None)
        self._refused("the version None (no entry) although there is one", "second", version=None)
        second = self.store.save(self.key, "second", version=first)
        self._refused("an old version", "third", version=first)
        self._holds("second", second)
        self.store.delete(self.key)
        self._refused("the version of a deleted entry", "third", version=second)
        _check(self.store.load(self.key) is None, "a refused save must not make an entry")

    def test_concurrent_writers(self) -> None:
        """Threads that read, add one and save with the version they read lose no addition."""
        self._require("compares_versions")
        self.store.save(self.key, "0")
        stores = [self.reopen() if self.shared and number % 2 else self.store for number in range(self.threads)]

        def add(number: int) -> None:
            done = 0
            while done < 5:
                stored = stores[number].load(self.key)
                _check(stored is not None, "an entry disappeared while it was being saved")
                assert stored is not None
                try:
                    stores[number].save(self.key, str(int(stored.value) + 1), version=stored.version)
                except StoreConflict:
                    continue
                done += 1

        self._in_threads(add)
        self._holds(str(5 * self.threads))

    def test_concurrent_writers_tear_nothing(self) -> None:
        """A reader sees one of the texts whole while other threads save."""
        texts = [f"{number}" * 5000 for number in range(1, self.threads)]
        self.store.save(self.key, texts[0])

        def work(number: int) -> None:
            for _ in range(5):
                if number:
                    self.store.save(self.key, texts[number - 1])
                else:
                    stored = self.store.load(self.key)
                    _check(stored is not None and stored.value in texts, "load() returned a torn or missing text")

        self._in_threads(work)
        stored = self.store.load(self.key)
        _check(stored is not None and stored.value in texts, "the last text is torn")

    def test_reopening(self) -> None:
        """Another store on the same place sees what this one saves, and the other way round."""
        version = self.store.save(self.key, "from the first")
        other = self.reopen()
        self._holds("from the first", version, store=other)
        version = other.save(self.key, "from the second", version=version if self.compares_versions else ANY)
        self._holds("from the second", version)
        other.delete(self.key)
        _check(self.store.load(self.key) is None, "a deletion must be seen by every store on the same place")

    def test_a_closed_store_may_be_used_again(self) -> None:
        """After `close()`, which may be called twice, a store opens again by itself and has lost nothing."""
        version = self.store.save(self.key, "text")
        self.store.close()
        self.store.close()
        self._holds("text", version)

    def test_expired_entries_are_gone(self) -> None:
        """Past `expires_at` there is no entry; a later save without one, or with a later one, lasts."""
        self._require("drops_expired")
        self.store.save(self.key, "dead", expires_at=time.time() - 1)
        _check(self.store.load(self.key) is None, "load() must return None once expires_at has passed")
        listed = self.store.keys()
        _check(self.key not in listed, "keys() must leave out an entry whose expires_at has passed")
        self.store.save(self.key, "alive", version=None, expires_at=time.time() + 3600)
        self._holds("alive")
        self.store.save(self.key, "dying", expires_at=time.time() + self.short)
        self._eventually(lambda: self.store.load(self.key) is None, "an entry outlived its expires_at")
        self.store.save(self.key, "dying", expires_at=time.time() + self.short)
        version = self.store.save(self.key, "for ever")
        deadline = time.time() + 2 * self.short
        self._eventually(lambda: time.time() > deadline, "")
        self._holds("for ever", version)

    def test_vacuum(self) -> None:
        """`vacuum()` leaves what lives and counts up to a total; `missing()` says that the store is there."""
        self.store.save(self.key, "alive")
        self.store.save(self.key + "|dying", "dying", expires_at=time.time() + self.short)
        _check(self.store.missing() is None, "missing() must return None once an entry was saved")
        ended = time.time() + 1.5 * self.short
        self._eventually(lambda: time.time() > ended, "")
        for _ in range(2):
            last = 0
            for done, total in self.store.vacuum():
                _check(last <= done <= total, f"vacuum() yielded {done} of {total} after {last}")
                last = done
        self._holds("alive")
        if self.drops_expired:
            _check(self.store.load(self.key + "|dying") is None, "vacuum() must not bring a dead entry back")

    def test_times_beyond_reason(self) -> None:
        """An `expires_at` far beyond any date keeps the entry; one before the epoch drops it. Neither is an error."""
        self.store.save(self.key, "for ever", expires_at=1e17)
        self._holds("for ever")
        if self.drops_expired:
            self.store.save(self.key, "dead", expires_at=0.0)
            _check(self.store.load(self.key) is None, "an entry outlived its expires_at")

    def test_keys(self) -> None:
        """`keys()` names each entry once, exactly as it was saved."""
        self._require("lists_keys")
        mine = [self.key, f"{self.key}|[a]*?\\", f"{self.key}|{{b}}:token", f"{self.key} c%20"]
        for key in mine:
            self.store.save(key, "text")
        self.store.save(mine[0], "again")
        listed = self.store.keys()
        found = sorted(key for key in listed if key.startswith(self.key))
        _check(found == sorted(mine), f"keys() must be {sorted(mine)!r}, not {found!r}")
        self.store.delete(mine[0])
        listed = self.store.keys()
        _check(mine[0] not in listed, "keys() must not name a deleted entry")

    def test_one_lease_at_a_time(self) -> None:
        """While one caller holds the lease, no other gets it; other keys are free."""
        self._require("has_leases")
        lease = self._acquired()
        _check(lease.key == self.key, "a lease must carry its key")
        for store in [self.store, *([self.reopen()] if self.shared else [])]:
            _check(store.acquire(self.key, 60) is None, "acquire() must return None while another holds the lease")
            other = store.acquire(self.key + "|other", 60)
            _check(other is not None, "a lease on one key must not block another")
            assert other is not None
            store.release(other)
        self.store.release(lease)
        again = (self.reopen() if self.shared else self.store).acquire(self.key, 60)
        _check(again is not None, "acquire() must succeed once the lease was released")
        assert again is not None
        _check(again.fence > lease.fence, "fence must grow with every lease of a key")
        _check(again.owner != lease.owner, "every lease must have an owner of its own")

    def test_of_many_one_gets_the_lease(self) -> None:
        """Threads that ask at the same moment: exactly one is granted the lease."""
        self._require("has_leases")
        stores = [self.reopen() if self.shared and number % 2 else self.store for number in range(self.threads)]
        granted: list[Lease | None] = []
        self._in_threads(lambda number: granted.append(stores[number].acquire(self.key, 60)))
        winners = len([lease for lease in granted if lease is not None])
        _check(winners == 1, f"{winners} of {self.threads} threads were granted the same lease at once")

    def test_a_save_under_a_lease(self) -> None:
        """Who holds the lease saves; who holds none may too, and is told apart by the version alone."""
        self._require("has_leases")
        lease = self._acquired()
        version = self.store.save(self.key, "under the lease", version=None, lease=lease)
        self._holds("under the lease", version)
        self._holds("no lease", self.store.save(self.key, "no lease", version=version))
        self.store.release(lease)
        self._refused("a lease that was given back", "late", lease=lease)

    def test_a_lost_lease_saves_nothing(self) -> None:
        """A holder that wakes after its lease ended, and another was granted, cannot overwrite what that one saved."""
        self._require("has_leases")
        late = self._acquired(self.short)
        other = self.reopen() if self.shared else self.store
        newer = self._eventually(lambda: other.acquire(self.key, 60), "a lease did not end although its time was up")
        _check(newer.fence > late.fence, "fence must grow with every lease of a key")
        self._refused("a lease that was lost, before the new holder saved", "stale", lease=late)
        version = other.save(self.key, "newer", lease=newer)
        self._refused("a lease that was lost, even with version=ANY", "stale", lease=late)
        self._refused("a lease that was lost, even with the right version", "stale", version=version, lease=late)
        self.store.release(late)  # none of its business any more
        _check(self.store.acquire(self.key, 60) is None, "releasing a lost lease must not end the new holder's")
        version = other.save(self.key, "newest", version=version, lease=newer)
        self._holds("newest", version)
        other.release(newer)
        self._refused("a lease that was lost, also after the new holder's was given back", "stale", lease=late)
        self._holds("newest", version)

    def test_a_dead_holders_lease_ends(self) -> None:
        """A lease that is not given back is free soon after its time, and not before."""
        self._require("has_leases")
        began = time.monotonic()
        self._acquired(self.short)
        self._eventually(lambda: self.store.acquire(self.key, 60), "a lease did not end although its time was up")
        took = time.monotonic() - began
        _check(took > self.short * 0.9, f"a lease of {self.short} s was granted to another after {took:.3f} s")

    def test_a_save_under_an_ended_lease(self) -> None:
        """A lease whose time is up, and after which no other was granted, still saves; it then stays free."""
        self._require("has_leases")
        lease = self._acquired(self.short)
        ended = time.monotonic() + 1.5 * self.short
        self._eventually(lambda: time.monotonic() > ended, "")
        version = self.store.save(self.key, "late, and not too late", version=None, lease=lease)
        self._holds("late, and not too late", version)
        _check(self.store.acquire(self.key, 60) is not None, "a save must not prolong a lease that has ended")

    def test_acquire_and_load(self) -> None:
        """Lease and entry come in one call; the entry comes also to the caller who gets no lease."""
        lease, stored = self.store.acquire_and_load(self.key, 60)
        _check(lease is not None, "acquire_and_load() must return a lease when nobody holds one")
        assert lease is not None
        _check(stored is None, "acquire_and_load() of a key that was never saved must return no entry")
        version = self.store.save(self.key, "text", lease=lease)
        if self.has_leases:
            other = self.reopen() if self.shared else self.store
            refused, stored = other.acquire_and_load(self.key, 60)
            _check(refused is None, "acquire_and_load() must return no lease while another holds it")
            _check(stored == Stored("text", version), "acquire_and_load() must return the entry also without a lease")
        self.store.release(lease)
        again, stored = self.store.acquire_and_load(self.key, 60)
        _check(again is not None, "acquire_and_load() must return a lease once it was released")
        assert again is not None
        _check(stored == Stored("text", version), "acquire_and_load() must return what was saved")
        if self.has_leases:
            _check(again.fence > lease.fence, "fence must grow with every lease of a key")
            self._refused("a lease that was given back", "late", lease=lease)
        self.store.save(self.key, "newer", version=version, lease=again)

    def test_save_and_release(self) -> None:
        """The entry is saved and the lease is free at once; a refused save keeps the lease and changes nothing."""
        lease = self._acquired()
        first = self.store.save_and_release(self.key, "first", version=None, lease=lease)
        self._holds("first", first)
        if not self.has_leases:
            return
        second = (self.reopen() if self.shared else self.store).acquire(self.key, 60)
        _check(second is not None, "save_and_release() must give the lease back")
        assert second is not None
        refusals = [(lease, ANY, "a lease that was given back"), (second, "nonsense", "a wrong version")]
        for held, version, what in refusals if self.compares_versions else refusals[:1]:
            try:
                self.store.save_and_release(self.key, "refused", version=version, lease=held)
            except StoreConflict:
                pass
            else:
                raise AssertionError(f"save_and_release() with {what} must raise krauth.StoreConflict")
            self._holds("first", first)
            _check(self.store.acquire(self.key, 60) is None, "a refused save_and_release() must not end a lease")
        end = time.time() + self.short if self.drops_expired else None
        self.store.save_and_release(self.key, "dying", version=first, lease=second, expires_at=end)
        if self.drops_expired:
            self._eventually(lambda: self.store.load(self.key) is None, "save_and_release() must heed expires_at")

    def test_nothing_shows_a_secret(self) -> None:
        """No repr and no message has the text, or any part of it, in it."""
        secret = "s3cr3t" + uuid.uuid4().hex
        lease = self.store.acquire(self.key, 60)
        version = self.store.save(self.key, secret, lease=lease)
        shown = [repr(self.store), repr(self.store.load(self.key)), repr(lease), version, *self.store.keys()]
        if self.compares_versions:
            shown.append(self._refused("a wrong version", secret, version="nonsense"))
        for text in shown:
            _check(secret not in text, f"a stored secret shows in {text.replace(secret, '(the secret)')!r}")

    # ---- what the tests are made of ----------------------------------------------------------------------

    def _made(self, store: TokenStore) -> TokenStore:
        _check(isinstance(store, TokenStore), f"make_store() returned a {type(store).__name__}, no krauth.TokenStore")
        self.__dict__.setdefault("_all", []).append(store)
        return store

    def _require(self, ability: str) -> None:
        if not getattr(self, ability):
            import pytest

            pytest.skip(f"{type(self).__name__}.{ability} is false")

    def _acquired(self, seconds: float = 60) -> Lease:
        lease = self.store.acquire(self.key, seconds)
        _check(lease is not None, "acquire() must return a lease when nobody holds one")
        assert lease is not None
        return lease

    def _holds(
        self, value: str, version: str | None = None, *, key: str | None = None, store: TokenStore | None = None
    ) -> None:
        stored = (store or self.store).load(key or self.key)
        _check(stored is not None, f"load() found nothing where {value[:40]!r} was saved")
        assert stored is not None
        _check(isinstance(stored, Stored), f"load() must return a krauth.stores.Stored, not {type(stored).__name__}")
        _check(stored.value == value, f"load() returned {stored.value[:40]!r}… where {value[:40]!r}… was saved")
        if version is not None:
            _check(stored.version == version, "load() must return the version that save() returned")

    def _refused(self, what: str, value: str, *, version: str | None = ANY, lease: Lease | None = None) -> str:
        before = self.store.load(self.key)
        try:
            self.store.save(self.key, value, version=version, lease=lease)
        except StoreConflict as conflict:
            _check(self.store.load(self.key) == before, f"a save with {what} was refused, yet changed the entry")
            return str(conflict)
        raise AssertionError(f"save() with {what} must raise krauth.StoreConflict")

    def _eventually(self, probe: Callable[[], T | None], failure: str) -> T:
        deadline = time.monotonic() + self.patience
        while True:
            found = probe()
            if found:
                return found
            _check(time.monotonic() < deadline, failure)
            time.sleep(0.01)

    def _in_threads(self, work: Callable[[int], object]) -> None:
        barrier = threading.Barrier(self.threads)
        errors: list[BaseException] = []

        def run(number: int) -> None:
            try:
                barrier.wait(self.patience)
                work(number)
            except BaseException as error:  # noqa: BLE001  handed to the test's own thread
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * self.patience)
        if errors:
            raise errors[0]
        _check(not any(thread.is_alive() for thread in threads), "threads that use the store are stuck")


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
    #: Whether each sending carries fields of its own, as those of a provider that signs do.
    signs: bool = False
    #: Status and body of an answer after which the request is repeated once; `None`: there is none. It comes with a
    #: `Date` ten minutes ahead.
    expired: tuple[int, bytes] | None = None
    #: Status and body of an answer that nothing cures.
    denied: tuple[int, bytes] = (403, b"{}")
    #: Seconds between two requests of a test.
    pause: float = 61.0

    clock: FakeClock

    def make_auth(self) -> OriginAuth:
        """Return an auth object of any stack, which no test has used."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_auth()")

    def setup_method(self) -> None:
        """Stop the clock, and forget what was learnt before."""
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
            _check(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None, f"{name!r} is no name of a field")
            is_text = isinstance(value, str) and re.fullmatch(r"[!-~](?:[\t -~]*[!-~])?", value) is not None
            _check(is_text, f"the value of {name} must be a string of printable ASCII")

    def test_redirects(self) -> None:
        """Every field is named in `extra_names`, so that it is taken off a redirect to another origin."""
        auth = self.make_auth()
        declared = {name.lower() for name in auth.own_names}
        for method in ("GET", "POST"):
            undeclared = [name for name in self._credited(auth, method) if name.lower() not in declared]
            _check(not undeclared, f"extra_headers() returns {undeclared}, which extra_names does not name")

    def test_other_origins(self) -> None:
        """A URL of another origin gets nothing, however much it looks like the API's."""
        auth = self.make_auth()
        sent = self._credited(auth)
        for url in _foreign_urls(self.url):
            fields = auth.headers("GET", url)
            _check(fields == {}, f"a request to {url} carries {', '.join(fields)}: it is for another origin")
            status, body = self.expired or self.denied
            again = auth.refused("GET", url, status, self._answered(), body, sent)
            _check(again is None, f"a refusal by {url} must not be answered with a credential")

    def test_replay(self) -> None:
        """A request that is sent again carries fields of its own, where the provider signs."""
        if not self.signs:
            _skip(f"{type(self).__name__}.signs is false")
        auth = self.make_auth()
        first = dict(self._credited(auth))
        self.clock.advance(self.pause)
        _check(first != dict(self._credited(auth)), "the same request a minute later must carry fields of its own")

    def test_a_refusal_is_cured_once(self) -> None:
        """After `expired` the request is repeated with other fields; refused again, it is handed back."""
        if self.expired is None:
            _skip(f"{type(self).__name__}.expired is None")
        assert self.expired is not None
        auth, (status, body) = self.make_auth(), self.expired
        sent = self._credited(auth)
        self.clock.advance(self.pause)
        again = auth.refused("GET", self.url, status, self._answered(), body, sent)
        _check(again is not None, "the answer `expired` must lead to fields for one more request")
        assert again is not None
        _check(dict(again) != dict(sent), "the repeated request must not carry the fields that were refused")
        third = auth.refused("GET", self.url, status, self._answered(), body, again)
        _check(third is None, "a request that was repeated and refused again must be handed back")

    def test_a_refusal_that_nothing_cures(self) -> None:
        """After `denied`, and after an answer without a fault, nothing is repeated."""
        auth = self.make_auth()
        for status, body in (self.denied, (200, b"{}"), (204, b""), (404, b"{}"), (503, b"")):
            again = auth.refused("GET", self.url, status, self._answered(), body, self._credited(auth))
            _check(again is None, f"an answer {status} {body[:60]!r} must not lead to one more request")

    def test_any_answer_is_judged(self) -> None:
        """`judge` takes anything that a server or a proxy may answer, and raises nothing."""
        auth = self.make_auth()
        bodies = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"code": {"a": []}}', b'{"error": [1]}', b"[" * 9999)
        for status in sorted({*auth.judged_statuses, 401, 403, 500}):
            for body in (*bodies, b"<html>" * 999):
                verdict = auth.judge("GET", status, {"Content-Type": "application/json"}, body)
                _check(isinstance(verdict.refresh, bool), f"judge() must return a Verdict for {status} {body[:20]!r}")

    def test_nothing_shows_a_secret(self) -> None:
        """No repr, no attribute's repr and no log line shows a secret or a field's value; no pickle holds one."""
        import logging
        import pickle

        _check(bool(self.secrets), "set secrets to what no repr and no log may show")
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
                _check(secret not in text, f"a secret shows in {text.replace(secret, '(the secret)')[:500]!r}")
        try:
            pickle.dumps(auth)
        except TypeError:
            return
        raise AssertionError("an auth object must not be pickled: it holds a credential")

    def _credited(self, auth: OriginAuth, method: str = "GET") -> dict[str, str]:
        _check(bool(self.url), "set url to the URL of a call that the credential is for")
        fields = auth.headers(method, self.url, b'{"a": "b"}' if method == "POST" else None)
        _check(bool(fields), f"a request to {self.url} must carry a credential")
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


def _skip(why: str) -> None:
    import pytest

    pytest.skip(why)


def _check(condition: bool, failure: str) -> None:
    if not condition:  # not an assert: pytest rewrites those of test modules only, and -O drops them
        raise AssertionError(failure)
