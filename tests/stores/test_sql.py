"""PostgreSQL and MariaDB, real ones on loopback: contract, tables, faults, and what their errors never say."""

import logging
import os
import signal
import threading
import time
import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa

from krauth import ConfigurationError, StoreConflict, TokenStoreError
from krauth._plugins import plugins
from krauth.stores import Stored
from krauth_stores import sql
from krauth_stores.sql import SQLStore, Tables

from .conftest import DATABASE_PASSWORD, DATABASE_QUOTED, ContractByURL, eventually, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.process]

SECRET = "an-access-token-that-nobody-may-see"


class TestPostgreSQL(ContractByURL):
    server = "postgresql"


class TestMariaDB(ContractByURL):
    server = "mariadb"


@pytest.fixture
def store(database, opened):
    return opened(database.url)


def everything(error):
    """All that a log would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error.__context__) + repr(error.__cause__)


def tables(server):
    query = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'krauth%'"
    return sorted(name for (name,) in server.execute(query))


def test_looking_makes_no_tables(store, database):
    """They are made with the first save or lease, by several at once; until then there are no entries."""
    assert store.load("key") is None
    assert store.keys() == []
    store.delete("key")
    assert list(store.vacuum()) == []
    assert tables(database) == []
    stores = [plugins().open(database.url) for _ in range(6)]
    threads = [threading.Thread(target=one.save, args=(f"key{number}", "value")) for number, one in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(store.keys()) == 6
    assert tables(database) == ["krauth_leases", "krauth_tokens"]
    for one in stores:
        one.close()


def test_tables_made_by_hand(database, opened):
    """The printed statements make what the store makes; a user who may do no more uses it."""
    dialect = "postgresql" if database.name == "postgresql" else "mariadb"
    for statement in Tables().statements(dialect):
        database.execute(statement)
    if database.name == "postgresql":
        database.execute("DROP ROLE IF EXISTS humble")
        database.execute("CREATE ROLE humble LOGIN PASSWORD 'humble'")
        database.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON krauth_tokens, krauth_leases TO humble")
        database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    else:
        database.execute("CREATE OR REPLACE USER humble@'127.0.0.1' IDENTIFIED BY 'humble'")
        for table in ("krauth_tokens", "krauth_leases"):
            database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON krauth.{table} TO humble@'127.0.0.1'")
    url = database.url.replace(f"krauth:{DATABASE_QUOTED}", "humble:humble")
    store = opened(url)
    lease, _ = store.acquire_and_load("key", 15)
    version = store.save_and_release("key", "value", version=None, lease=lease)
    assert store.load("key") == Stored("value", version)
    if database.name == "postgresql":
        database.execute("DROP TABLE krauth_tokens, krauth_leases")
        with pytest.raises(TokenStoreError, match="has no tables and can't make them.*krauth stores sql"):
            store.save("key", SECRET)
        database.execute("DROP OWNED BY humble")


def test_keys_are_compared_byte_by_byte(store):
    """Not as MySQL compares texts: case and blanks at the end count."""
    for key in ("Key", "key", "key ", "KEY"):
        store.save(key, key)
    assert sorted(store.keys()) == ["KEY", "Key", "key", "key "]
    assert store.load("key ").value == "key "


def test_two_prefixes(database, opened):
    """Two programs share a database and see nothing of each other."""
    one, other = opened(database.url), opened(f"{database.url}?prefix=krauth_other_")
    one.save("key", "value")
    assert other.acquire("key", 60)
    assert one.acquire("key", 60)
    assert other.load("key") is None
    for table in ("tokens", "leases"):
        database.execute(f"DROP TABLE krauth_other_{table}")


def test_one_refresh_is_two_transactions(store):
    """The lease with the entry, and the token with the release."""
    store.save("key", "old")
    store.release(store.acquire("key", 15))
    begun, statements = [], []
    sa.event.listen(store._engine, "begin", begun.append)
    sa.event.listen(store._engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    lease, stored = store.acquire_and_load("key", 15)
    store.save_and_release("key", "new", version=stored.version, lease=lease)
    assert len(begun) == 2
    assert len(statements) == 6, statements


def test_the_clock_of_the_machine_does_not_count(store, monkeypatch):
    """Leases are granted by the server's clock."""
    lease = store.acquire("key", 15)
    for hours in (-1, 1):
        monkeypatch.setattr(time, "time", lambda hours=hours: 1_800_000_000 + 3600 * hours)
        assert store.acquire("key", 15) is None
    store.save("key", "value", lease=lease)


def test_a_restart(store, database):
    """A server that was killed and started again has the entry, and the store finds it without being told."""
    version = store.save("key", "value")
    lease = store.acquire("key", 60)
    database.kill()
    with pytest.raises(TokenStoreError, match="can't be reached"):
        store.load("key")
    database.start()
    assert store.load("key") == Stored("value", version)
    store.save("key", "newer", version=version, lease=lease)


def test_an_answer_that_is_lost(store):
    """A commit whose answer was lost is not taken for another process's doing when it is done again."""
    for release in (False, True):
        lost = [True]

        def lose(connection, lost=lost):
            if lost.pop() if lost else False:
                connection.connection.driver_connection.commit()
                connection.connection.driver_connection.close()

        lease, stored = store.acquire_and_load("key", 60)
        sa.event.listen(store._engine, "commit", lose)
        version = stored.version if stored else None
        try:
            if release:
                new = store.save_and_release("key", "again", version=version, lease=lease)
            else:
                new = store.save("key", "first", version=version, lease=lease)
        finally:
            sa.event.remove(store._engine, "commit", lose)
        assert not lost
        assert store.load("key").version == new
        if not release:
            store.release(lease)
    assert store.acquire("key", 60)


def test_a_fork(store):
    """A child does not use the parent's connections."""
    store.save("key", "value")
    child = os.fork()
    if not child:
        try:
            os._exit(0 if store.load("key").value == "value" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert store.load("key").value == "value"


def test_a_row_that_stays_locked(database, opened, monkeypatch):
    """Waiting is bounded; the message says what to look for; another entry is not held up."""
    monkeypatch.setattr(sql, "TIMEOUT", 1.0)
    settings = {"postgresql": ["SET statement_timeout = 500"], "mysql": ["SET innodb_lock_wait_timeout = 1"]}
    monkeypatch.setattr(sql, "_SETTINGS", settings)
    store = opened(database.url)
    store.save("key", "value")
    store.save("other", "value")
    engine = sa.create_engine(store._engine.url)
    with engine.connect() as foreign:
        locked = Tables().tokens
        foreign.execute(sa.update(locked).where(locked.c.key == "key").values(version="x"))
        began = time.monotonic()
        store.save("other", "newer")
        assert time.monotonic() - began < 1
        with pytest.raises(TokenStoreError, match="did not answer in time|keeps a row locked"):
            store.save("key", SECRET)
        assert time.monotonic() - began < 10
        foreign.rollback()
    engine.dispose()
    store.save("key", "later")


def test_a_server_that_hangs(database, opened, monkeypatch):
    """A server that is stopped, and so keeps connections and answers nothing, is an error after a limited time."""
    monkeypatch.setattr(sql, "TIMEOUT", 1.0)
    monkeypatch.setattr(sql, "ANSWER", 0.3)
    store = opened(database.url)
    store.save("key", "value")
    pid = database.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    began = time.monotonic()
    try:
        for one in (pid, *map(int, children)):
            os.kill(one, signal.SIGSTOP)
        with pytest.raises(TokenStoreError, match="can't be reached, or broke the connection off"):
            store.load("key")
    finally:
        for one in (pid, *map(int, children)):
            os.kill(one, signal.SIGCONT)
    assert time.monotonic() - began < 5
    assert store.load("key").value == "value"


def test_limits_in_the_url_count(postgresql, opened, monkeypatch):
    """A limit of the driver that the URL sets is not replaced by ours."""
    given = {}
    connect = sql._connect
    monkeypatch.setattr(sql, "_connect", lambda *args, **options: given.update(options) or connect(*args, **options))
    opened(f"{postgresql.url}?connect_timeout=7").keys()
    assert int(given["connect_timeout"]) == 7
    assert given["tcp_user_timeout"] == 10_000


def test_dead_entries_are_dropped(store, database):
    """Now and then by a save, all of them by `vacuum`, in steps."""
    store.save("key", "value")
    tokens = Tables().tokens
    with store._engine.begin() as db:
        row = {"version": "1", "expires_at": 1.0, "value": b"dead"}
        db.execute(sa.insert(tokens), [{"key": f"dead{number}", **row} for number in range(1300)])
    assert [done for done, _ in store.vacuum()] == [500, 1000, 1300]
    store.save("dead", "value", expires_at=1.0)
    for _ in range(50):
        store.save("key", "value")
    assert database.execute("SELECT COUNT(*) FROM krauth_tokens")[0][0] == 1


@pytest.mark.parametrize("what", ["password", "database", "port"])
def test_what_a_server_refuses(what, database, opened, caplog):
    """Each refusal is told in our words, without the password and without the token."""
    caplog.set_level(logging.DEBUG)
    wrong = {
        "password": (database.url.replace(DATABASE_QUOTED, SECRET), "refused user or password"),
        "database": (database.url.removesuffix("krauth") + "nowhere", "no such database|can't be reached"),
        "port": (database.url.replace(str(database.port), str(free_ports(1)[0])), "can't be reached"),
    }
    url, says = wrong[what]
    store = opened(url)
    with pytest.raises(TokenStoreError, match=says) as caught:
        store.save("key", SECRET)
    shown = everything(caught.value) + repr(store) + caplog.text
    assert SECRET not in shown
    assert DATABASE_PASSWORD not in shown
    assert DATABASE_QUOTED not in shown


def test_an_error_that_quotes_the_row(store, database, caplog):
    """A server that refuses a row may quote it; we do not."""
    caplog.set_level(logging.DEBUG)
    store.save("key", "value")
    database.execute("ALTER TABLE krauth_tokens ADD CONSTRAINT odd CHECK (expires_at IS NULL)")
    with pytest.raises(TokenStoreError, match=r"failed \(\w+, \w+\)|keep getting in the way") as caught:
        store.save("key", SECRET, expires_at=time.time() + 1000)
    assert SECRET not in everything(caught.value) + caplog.text


@pytest.mark.parametrize("byte", [b"\xff", b"\xed\xa0\x80"])
def test_a_byte_that_is_no_text(byte, store):
    """It is never shown in an error; the entry is none that can be used."""
    store.save("key", "value")
    with store._engine.begin() as db:
        db.execute(sa.update(Tables().tokens).values(value=SECRET.encode() + byte))
    assert "\ufffd" in store.load("key").value
    with pytest.raises(TokenStoreError, match="lone surrogate") as caught:
        store.save("key", f"{SECRET}\ud800")
    assert SECRET not in everything(caught.value)


def test_an_engine_of_ones_own(database, store, opened):
    """A configured engine can be handed over; one of another database is refused."""
    own = opened(SQLStore(sa.create_engine(store._engine.url)))
    version = own.save("key", "value")
    assert store.load("key") == Stored("value", version)
    with pytest.raises(StoreConflict):
        own.save("key", "value", version="nonsense")
    with pytest.raises(ConfigurationError, match="not with sqlite"):
        SQLStore(sa.create_engine("sqlite://"))


@pytest.mark.parametrize(
    "url",
    [
        f"sql://user:{SECRET}@host/db",
        f"sql+oracle://user:{SECRET}@host/db",
        f"sql+postgresql://user:{SECRET}@host",
        f"sql+postgresql://user:{SECRET}@host:{SECRET}/db",
        f"sql+mysql://user:{SECRET}@host/",
        f"sql+mysql://user:{SECRET}@host/db?prefix=a-b;c",
    ],
)
def test_urls_that_cannot_be_used(url):
    """They are refused when the store is opened, and not quoted."""
    with pytest.raises(ConfigurationError, match="percent-encoded|consists of") as caught:
        plugins().open(url)
    assert SECRET not in everything(caught.value)


def test_opening_connects_to_nothing(opened):
    """An auth object can be made where the database does not run yet."""
    began = time.monotonic()
    opened(f"sql+postgresql://krauth:x@127.0.0.1:{free_ports(1)[0]}/krauth")
    eventually(lambda: time.monotonic() - began < 5)
