"""TokenStoreContract: what every token store must do, as tests."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, TypeVar

from .._values.exceptions import StoreConflict
from ..stores import ANY, Lease, Stored, TokenStore
from ._checks import check, skip

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


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
        check(self.store.load(self.key) is None, "load() of a key that was never saved must return None")
        version = self.store.save(self.key, '{"a": 1}')
        self._holds('{"a": 1}', version)

    def test_keys_are_apart(self) -> None:
        """Entries with similar keys have nothing to do with each other."""
        others = [self.key + suffix for suffix in ("|", "%", "_", "/x", "?y=1", "#0", ":token", "*", "}", " z")]
        self.store.save(self.key, "mine")
        for number, other in enumerate(others):
            check(self.store.load(other) is None, f"load({other!r}) must not find the entry {self.key!r}")
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
        check(first != second, "every save must return a new version, also when the text is the same")
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
        check(self.store.load(self.key) is None, "load() after delete() must return None")
        self.store.delete(self.key)

    def test_no_version_comes_back(self) -> None:
        """A version differs from every earlier one of the key, also after a deletion."""
        seen: set[str] = set()
        for _ in range(5):
            seen.add(self.store.save(self.key, "text"))
            self.store.delete(self.key)
        check(len(seen) == 5, "a version was used again after delete(): a writer that knew it could overwrite")

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
        check(self.store.load(self.key) is None, "a refused save must not make an entry")

    def test_concurrent_writers(self) -> None:
        """Threads that read, add one and save with the version they read lose no addition."""
        self._require("compares_versions")
        self.store.save(self.key, "0")
        stores = [self.reopen() if self.shared and number % 2 else self.store for number in range(self.threads)]

        def add(number: int) -> None:
            done = 0
            while done < 5:
                stored = stores[number].load(self.key)
                check(stored is not None, "an entry disappeared while it was being saved")
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
                    check(stored is not None and stored.value in texts, "load() returned a torn or missing text")

        self._in_threads(work)
        stored = self.store.load(self.key)
        check(stored is not None and stored.value in texts, "the last text is torn")

    def test_reopening(self) -> None:
        """Another store on the same place sees what this one saves, and the other way round."""
        version = self.store.save(self.key, "from the first")
        other = self.reopen()
        self._holds("from the first", version, store=other)
        version = other.save(self.key, "from the second", version=version if self.compares_versions else ANY)
        self._holds("from the second", version)
        other.delete(self.key)
        check(self.store.load(self.key) is None, "a deletion must be seen by every store on the same place")

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
        check(self.store.load(self.key) is None, "load() must return None once expires_at has passed")
        listed = self.store.keys()
        check(self.key not in listed, "keys() must leave out an entry whose expires_at has passed")
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
        check(self.store.missing() is None, "missing() must return None once an entry was saved")
        ended = time.time() + 1.5 * self.short
        self._eventually(lambda: time.time() > ended, "")
        for _ in range(2):
            last = 0
            for done, total in self.store.vacuum():
                check(last <= done <= total, f"vacuum() yielded {done} of {total} after {last}")
                last = done
        self._holds("alive")
        if self.drops_expired:
            check(self.store.load(self.key + "|dying") is None, "vacuum() must not bring a dead entry back")

    def test_times_beyond_reason(self) -> None:
        """An `expires_at` far beyond any date keeps the entry; one before the epoch drops it. Neither is an error."""
        self.store.save(self.key, "for ever", expires_at=1e17)
        self._holds("for ever")
        if self.drops_expired:
            self.store.save(self.key, "dead", expires_at=0.0)
            check(self.store.load(self.key) is None, "an entry outlived its expires_at")

    def test_keys(self) -> None:
        """`keys()` names each entry once, exactly as it was saved."""
        self._require("lists_keys")
        mine = [self.key, f"{self.key}|[a]*?\\", f"{self.key}|{{b}}:token", f"{self.key} c%20"]
        for key in mine:
            self.store.save(key, "text")
        self.store.save(mine[0], "again")
        listed = self.store.keys()
        found = sorted(key for key in listed if key.startswith(self.key))
        check(found == sorted(mine), f"keys() must be {sorted(mine)!r}, not {found!r}")
        self.store.delete(mine[0])
        listed = self.store.keys()
        check(mine[0] not in listed, "keys() must not name a deleted entry")

    def test_one_lease_at_a_time(self) -> None:
        """While one caller holds the lease, no other gets it; other keys are free."""
        self._require("has_leases")
        lease = self._acquired()
        check(lease.key == self.key, "a lease must carry its key")
        for store in [self.store, *([self.reopen()] if self.shared else [])]:
            check(store.acquire(self.key, 60) is None, "acquire() must return None while another holds the lease")
            other = store.acquire(self.key + "|other", 60)
            check(other is not None, "a lease on one key must not block another")
            assert other is not None
            store.release(other)
        self.store.release(lease)
        again = (self.reopen() if self.shared else self.store).acquire(self.key, 60)
        check(again is not None, "acquire() must succeed once the lease was released")
        assert again is not None
        check(again.fence > lease.fence, "fence must grow with every lease of a key")
        check(again.owner != lease.owner, "every lease must have another owner")

    def test_of_many_one_gets_the_lease(self) -> None:
        """Threads that ask at the same moment: exactly one is granted the lease."""
        self._require("has_leases")
        stores = [self.reopen() if self.shared and number % 2 else self.store for number in range(self.threads)]
        granted: list[Lease | None] = []
        self._in_threads(lambda number: granted.append(stores[number].acquire(self.key, 60)))
        winners = len([lease for lease in granted if lease is not None])
        check(winners == 1, f"{winners} of {self.threads} threads were granted the same lease at once")

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
        check(newer.fence > late.fence, "fence must grow with every lease of a key")
        self._refused("a lease that was lost, before the new holder saved", "stale", lease=late)
        version = other.save(self.key, "newer", lease=newer)
        self._refused("a lease that was lost, even with version=ANY", "stale", lease=late)
        self._refused("a lease that was lost, even with the right version", "stale", version=version, lease=late)
        self.store.release(late)  # none of its business any more
        check(self.store.acquire(self.key, 60) is None, "releasing a lost lease must not end the new holder's")
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
        check(took > self.short * 0.9, f"a lease of {self.short} s was granted to another after {took:.3f} s")

    def test_a_save_under_an_ended_lease(self) -> None:
        """A lease whose time is up, and after which no other was granted, still saves; it then stays free."""
        self._require("has_leases")
        lease = self._acquired(self.short)
        ended = time.monotonic() + 1.5 * self.short
        self._eventually(lambda: time.monotonic() > ended, "")
        version = self.store.save(self.key, "late, and not too late", version=None, lease=lease)
        self._holds("late, and not too late", version)
        check(self.store.acquire(self.key, 60) is not None, "a save must not prolong a lease that has ended")

    def test_acquire_and_load(self) -> None:
        """Lease and entry come in one call; the entry comes also to the caller who gets no lease."""
        lease, stored = self.store.acquire_and_load(self.key, 60)
        check(lease is not None, "acquire_and_load() must return a lease when none is held")
        assert lease is not None
        check(stored is None, "acquire_and_load() of a key that was never saved must return no entry")
        version = self.store.save(self.key, "text", lease=lease)
        if self.has_leases:
            other = self.reopen() if self.shared else self.store
            refused, stored = other.acquire_and_load(self.key, 60)
            check(refused is None, "acquire_and_load() must return no lease while another holds it")
            check(stored == Stored("text", version), "acquire_and_load() must return the entry also without a lease")
        self.store.release(lease)
        again, stored = self.store.acquire_and_load(self.key, 60)
        check(again is not None, "acquire_and_load() must return a lease once it was released")
        assert again is not None
        check(stored == Stored("text", version), "acquire_and_load() must return the saved text and version")
        if self.has_leases:
            check(again.fence > lease.fence, "fence must grow with every lease of a key")
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
        check(second is not None, "save_and_release() must give the lease back")
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
            check(self.store.acquire(self.key, 60) is None, "a refused save_and_release() must not end a lease")
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
            check(secret not in text, f"a stored secret shows in {text.replace(secret, '(the secret)')!r}")

    # ---- what the tests are made of ----------------------------------------------------------------------

    def _made(self, store: TokenStore) -> TokenStore:
        check(isinstance(store, TokenStore), f"make_store() returned a {type(store).__name__}, no krauth.TokenStore")
        self.__dict__.setdefault("_all", []).append(store)
        return store

    def _require(self, ability: str) -> None:
        if not getattr(self, ability):
            skip(f"{type(self).__name__}.{ability} is false")

    def _acquired(self, seconds: float = 60) -> Lease:
        lease = self.store.acquire(self.key, seconds)
        check(lease is not None, "acquire() must return a lease when none is held")
        assert lease is not None
        return lease

    def _holds(
        self, value: str, version: str | None = None, *, key: str | None = None, store: TokenStore | None = None
    ) -> None:
        stored = (store or self.store).load(key or self.key)
        check(stored is not None, f"load() found nothing where {value[:40]!r} was saved")
        assert stored is not None
        check(isinstance(stored, Stored), f"load() must return a krauth.stores.Stored, not {type(stored).__name__}")
        check(stored.value == value, f"load() returned {stored.value[:40]!r}… where {value[:40]!r}… was saved")
        if version is not None:
            check(stored.version == version, "load() must return the version that save() returned")

    def _refused(self, what: str, value: str, *, version: str | None = ANY, lease: Lease | None = None) -> str:
        before = self.store.load(self.key)
        try:
            self.store.save(self.key, value, version=version, lease=lease)
        except StoreConflict as conflict:
            check(self.store.load(self.key) == before, f"a save with {what} was refused, yet changed the entry")
            return str(conflict)
        raise AssertionError(f"save() with {what} must raise krauth.StoreConflict")

    def _eventually(self, probe: Callable[[], T | None], failure: str) -> T:
        deadline = time.monotonic() + self.patience
        while True:
            found = probe()
            if found:
                return found
            check(time.monotonic() < deadline, failure)
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
        check(not any(thread.is_alive() for thread in threads), "threads that use the store are stuck")
