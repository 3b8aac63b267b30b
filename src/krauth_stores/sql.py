"""`sql+postgresql://user:password@host/database`, `sql+mysql://…`: tokens in a database that is there anyway.

One refresh is two transactions. Leases are granted by the server's clock, so clocks of machines may differ. The tables
are made on first use, or by an administrator: `krauth stores sql` prints the statements.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql, postgresql

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

from ._locks import ForkableLock
from ._texts import refuse_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

#: What the URL names → SQLAlchemy's dialect and driver.
DIALECTS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
PREFIX = "krauth_"
_ISOLATION = "READ COMMITTED"  # MySQL's own default locks the gaps between rows, and so leads to deadlocks
#: Seconds for a connection, and to wait for a row that another process has locked.
TIMEOUT = 5.0
#: Seconds to wait for an answer of a server that hangs. A server that works ends its statements before that.
ANSWER = 2 * TIMEOUT
#: Statements for each connection: a process that is stopped in the middle of a transaction does not block others long.
_SETTINGS = {
    "postgresql": ["SET statement_timeout = 5000", "SET idle_in_transaction_session_timeout = 10000"],
    "mysql": ["SET SESSION innodb_lock_wait_timeout = 5"],
    "mariadb": ["SET SESSION innodb_lock_wait_timeout = 5, idle_transaction_timeout = 10"],
}
#: The server's clock: seconds since the epoch, in every time zone of the session.
_NOW = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
}
_NOW["mariadb"] = _NOW["mysql"]
#: Entries that are dropped in one transaction, and after how many saves some are.
_FEW, _EVERY = 500, 50
#: Seconds after its end when the row of a lease is dropped.
_FORGOTTEN = 86_400.0


class _Key(sa.types.TypeDecorator[str]):
    """A text compared byte by byte, as MySQL's own texts are not."""

    impl = sa.String(512)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.VARCHAR(512, collation="C"))
        return dialect.type_descriptor(mysql.VARBINARY(512))

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.encode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else value


class Tables:
    """The two tables.

    Args:
        prefix: Begins their names and those of their indexes.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,30}", prefix):
            raise ConfigurationError("the prefix of SQL tables consists of up to 31 letters, digits and _")
        self.metadata = sa.MetaData()
        number: sa.types.TypeEngine[float] = sa.Double().with_variant(mysql.DOUBLE(), "mysql", "mariadb")
        binary = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
        options: dict[str, Any] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}
        self.tokens = sa.Table(
            f"{prefix}tokens",
            self.metadata,
            sa.Column("key", _Key, primary_key=True),
            sa.Column("version", sa.String(32), nullable=False),
            sa.Column("expires_at", number),
            sa.Column("value", binary, nullable=False),
            sa.Index(f"{prefix}tokens_expiry", "expires_at"),
            **options,
        )
        # `owner` is NULL once the lease was given back; `ends_at` is a time of the server's clock.
        self.leases = sa.Table(
            f"{prefix}leases",
            self.metadata,
            sa.Column("key", _Key, primary_key=True),
            sa.Column("owner", sa.String(32)),
            sa.Column("fence", sa.BigInteger, nullable=False),
            sa.Column("ends_at", number, nullable=False),
            sa.Index(f"{prefix}leases_end", "ends_at"),
            **options,
        )

    def statements(self, dialect: str) -> Iterator[str]:
        """Return the statements that make the tables, for an administrator who runs them by hand."""
        compiled = {"postgresql": postgresql.dialect, "mysql": mysql.dialect, "mariadb": mysql.dialect}[dialect]()
        for table in self.metadata.sorted_tables:
            yield str(sa.schema.CreateTable(table).compile(dialect=compiled)).strip()
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                yield str(sa.schema.CreateIndex(index).compile(dialect=compiled)).strip()


def open_url(url: str) -> SQLStore:
    """Open `sql+postgresql://user:password@host/database?prefix=krauth_`; other options are the driver's."""
    scheme, _, rest = url.partition("://")
    name = scheme.partition("+")[2]
    parsed = None
    if name in DIALECTS:
        try:
            parsed = sa.make_url(f"{DIALECTS[name]}://{rest}")
            prefix = str(parsed.query.get("prefix", PREFIX))
            engine = sa.create_engine(
                parsed.difference_update_query(["prefix"]),
                hide_parameters=True,
                pool_recycle=300,
                pool_timeout=TIMEOUT,
                isolation_level=_ISOLATION,
                pool_reset_on_return=None,  # each transaction is ended before: one round trip less
                connect_args={key: value for key, value in _connect_args(name).items() if key not in parsed.query},
            )
        except ModuleNotFoundError:
            raise
        except (exc.ArgumentError, ValueError, TypeError):
            parsed = None
    if parsed is None or not parsed.database:
        # Outside, without the cause: it may quote the part of the URL in which the password is.
        raise ConfigurationError(
            "this sql URL can't be used: write sql+postgresql://user:password@host:port/database or sql+mysql://…"
            " (sql+mariadb://…), with special characters of user and password percent-encoded; options after ? are"
            " 'prefix' and those of the driver (psycopg, PyMySQL)"
        )

    def arrange(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            for statement in _SETTINGS[name]:
                cursor.execute(statement)
        connection.commit()

    if name == "postgresql":
        sa.event.listen(engine, "do_connect", lambda dialect, record, args, options: _connect(*args, **options))
    sa.event.listen(engine, "connect", arrange)
    return SQLStore(engine, prefix=prefix, isolated=True)


def _connect_args(name: str) -> dict[str, Any]:
    if name == "postgresql":
        # Of a server that is gone the system would learn after many minutes.
        tcp = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 10_000}
        return {"connect_timeout": int(TIMEOUT), **tcp}
    return {"connect_timeout": TIMEOUT, "read_timeout": ANSWER, "write_timeout": ANSWER}


def _connect(*args: Any, **options: Any) -> Any:
    """Connect to PostgreSQL, whose driver would wait for an answer without end (PyMySQL has `read_timeout`)."""
    import psycopg

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            return super().wait(self._until(gen, time.monotonic() + ANSWER), *args, **kwargs)

        def _until(self, gen: Any, end: float) -> Any:
            ready = None
            try:
                while True:
                    state = gen.send(ready)
                    ready = yield state
                    if not ready and time.monotonic() >= end:
                        self.close()
                        raise psycopg.OperationalError("no answer in time")
            except StopIteration as over:
                return over.value

    return Bounded.connect(*args, **options)


class _Again(Exception):
    """Another transaction was in the way: begin anew."""


class SQLStore(TokenStore):
    """Keeps tokens in PostgreSQL 12, MySQL 8 or MariaDB 10.5, or newer, through SQLAlchemy.

    Args:
        engine: A synchronous engine of SQLAlchemy. Give it timeouts, and `hide_parameters=True`: a log of statements
            with their values would show tokens.
        prefix: Begins the names of the tables.
        isolated: Whether the engine has the isolation level READ COMMITTED already.

    Raises:
        ConfigurationError: The engine is for another database.
    """

    def __init__(self, engine: sa.Engine, *, prefix: str = PREFIX, isolated: bool = False) -> None:
        name = engine.dialect.name
        if name not in _NOW:
            raise ConfigurationError(f"SQLStore works with {', '.join(_NOW)}, not with {name}")
        # The URL's engine has it from the beginning; setting it for each transaction costs a round trip.
        self._engine = engine if isolated else engine.execution_options(isolation_level=_ISOLATION)
        self._driver: type[Exception] = getattr(engine.dialect.loaded_dbapi, "Error", exc.DBAPIError)
        self._tables = Tables(prefix)
        self._now: sa.ColumnElement[float] = sa.literal_column(_NOW[name], sa.Double)
        self._where = f"{name} at {engine.url.host or 'localhost'}, database {engine.url.database}"
        self._prefix = prefix
        self._pid = os.getpid()
        self._lock = ForkableLock()
        self._saves = itertools.count(1)

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        return self._run(lambda db: self._entry(db, key), nothing=lambda: None)

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry and return its new version; see `TokenStore.save`."""
        return self._saved(key, value, version, lease, expires_at, release=False)

    def save_and_release(
        self, key: str, value: str, *, version: str | None, lease: Lease, expires_at: float | None = None
    ) -> str:
        """Save an entry under a lease and give the lease back, in one transaction."""
        return self._saved(key, value, version, lease, expires_at, release=True)

    def _saved(
        self, key: str, value: str, version: str | None, lease: Lease | None, expires_at: float | None, *, release: bool
    ) -> str:
        refuse_surrogates(value)
        tokens, leases = self._tables.tokens, self._tables.leases
        new = uuid.uuid4().hex
        row = {"version": new, "expires_at": expires_at, "value": value.encode()}

        def work(db: sa.Connection) -> str:
            if lease is not None:
                owner = db.scalar(sa.select(leases.c.owner).where(leases.c.key == key).with_for_update())
                if owner != lease.owner and not (release and self._is_saved(db, key, new)):
                    raise StoreConflict("the lease was lost before the token could be saved")
            dead = sa.and_(tokens.c.expires_at.is_not(None), tokens.c.expires_at <= self._now)
            found = db.execute(
                sa.select(tokens.c.version, dead.label("dead")).where(tokens.c.key == key).with_for_update()
            ).first()
            if found is None or found.version != new:  # else: the answer to an earlier attempt was lost
                present = None if found is None or found.dead else found.version
                if version not in (ANY, present):
                    raise StoreConflict("another process saved a token in the meantime")
                if found is not None:
                    db.execute(sa.update(tokens).where(tokens.c.key == key).values(row))
                else:
                    try:
                        db.execute(sa.insert(tokens).values(key=key, **row))
                    except exc.IntegrityError:
                        raise _Again from None
            if release and lease is not None:
                db.execute(self._released(lease))
            return new

        saved = self._run(work)
        if next(self._saves) % _EVERY == 0:
            self._drop_some()
        return saved

    def _is_saved(self, db: sa.Connection, key: str, version: str) -> bool:
        tokens = self._tables.tokens
        return db.scalar(sa.select(tokens.c.version).where(tokens.c.key == key)) == version

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        tokens = self._tables.tokens
        self._run(lambda db: db.execute(sa.delete(tokens).where(tokens.c.key == key)) and None, nothing=lambda: None)

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""
        return self.acquire_and_load(key, seconds)[0]

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask for a lease and return the entry, in one transaction."""
        tokens, leases, owner = self._tables.tokens, self._tables.leases, uuid.uuid4().hex
        # One that ends later than it could have been granted for: the clock was set back, its owner may be dead.
        free = sa.or_(
            leases.c.owner.is_(None),
            leases.c.owner == owner,  # the answer to an earlier attempt was lost
            leases.c.ends_at <= self._now,
            leases.c.ends_at > self._now + max(seconds, 60.0) + 1.0,
        )
        # Grows with the clock too, also past a row that was dropped or a database that was restored.
        clock = sa.cast(sa.func.floor(self._now * 1000), sa.BigInteger)
        fence = sa.func.greatest(leases.c.fence + 1, clock)
        grant = (
            sa.update(leases)
            .where(leases.c.key == key, free)
            .values(owner=owner, fence=fence, ends_at=self._now + seconds)
        )

        entry = sa.and_(tokens.c.key == leases.c.key, self._live())
        both = (
            sa.select(leases.c.fence, tokens.c.value, tokens.c.version)
            .select_from(leases.outerjoin(tokens, entry))
            .where(leases.c.key == key)
        )

        def work(db: sa.Connection) -> tuple[Lease | None, Stored | None]:
            granted = db.execute(grant).rowcount
            found = db.execute(both).first()
            if found is None:
                try:
                    db.execute(sa.insert(leases).values(key=key, owner=owner, fence=clock, ends_at=self._now + seconds))
                except exc.IntegrityError:
                    raise _Again from None
                granted, found = 1, db.execute(both).one()
            lease = Lease(key, owner, int(found.fence)) if granted else None
            return lease, None if found.version is None else _stored(found)

        return self._run(work)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        self._run(lambda db: db.execute(self._released(lease)) and None, nothing=lambda: None)

    def keys(self) -> list[str]:
        """Return all keys."""
        tokens = self._tables.tokens
        query = sa.select(tokens.c.key).where(self._live()).order_by(tokens.c.key)
        return self._run(lambda db: list(db.scalars(query)), nothing=lambda: list[str]())

    def vacuum(self) -> Iterator[tuple[int, int]]:
        """Drop dead entries in short transactions; the server reuses their space."""
        tokens = self._tables.tokens
        count = sa.select(sa.func.count()).select_from(tokens).where(tokens.c.expires_at <= self._now)
        dead = self._run(lambda db: db.scalar(count) or 0, nothing=lambda: 0)
        done = 0
        while dropped := self._run(lambda db: self._dropped(db, tokens, tokens.c.expires_at, 0.0), nothing=lambda: 0):
            done += dropped
            yield done, max(done, dead)

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"<SQLStore {self._where}, prefix={self._prefix!r}>"

    def _live(self) -> sa.ColumnElement[bool]:
        expires_at = self._tables.tokens.c.expires_at
        return sa.or_(expires_at.is_(None), expires_at > self._now)

    def _entry(self, db: sa.Connection, key: str) -> Stored | None:
        tokens = self._tables.tokens
        found = db.execute(sa.select(tokens.c.value, tokens.c.version).where(tokens.c.key == key, self._live())).first()
        return None if found is None else _stored(found)

    def _released(self, lease: Lease) -> sa.Update:
        leases = self._tables.leases
        return sa.update(leases).where(leases.c.key == lease.key, leases.c.owner == lease.owner).values(owner=None)

    def _dropped(self, db: sa.Connection, table: sa.Table, column: sa.ColumnElement[float], age: float) -> int:
        dead = column <= self._now - age
        keys = list(db.scalars(sa.select(table.c.key).where(dead).order_by(column).limit(_FEW)))
        return int(db.execute(sa.delete(table).where(table.c.key.in_(keys), dead)).rowcount) if keys else 0

    def _drop_some(self) -> None:
        tables = self._tables
        try:
            self._run(lambda db: self._dropped(db, tables.tokens, tables.tokens.c.expires_at, 0.0))
            self._run(lambda db: self._dropped(db, tables.leases, tables.leases.c.ends_at, _FORGOTTEN))
        except TokenStoreError:
            pass  # the token is saved; the next time will do

    def _connected(self) -> sa.Engine:
        with self._lock:
            if self._pid != os.getpid():
                self._engine.dispose(close=False)  # the connections are the parent's
                self._pid = os.getpid()
        return self._engine

    def _run(self, work: Callable[[sa.Connection], _T], *, nothing: Callable[[], _T] | None = None) -> _T:
        """Do `work` in one transaction; where there are no tables, return `nothing()`, or make them."""
        end = time.monotonic() + TIMEOUT
        made = False
        broken = 0
        while True:
            try:
                with self._connected().begin() as db:
                    return work(db)
            except _Again:
                problem = None
            except (exc.SQLAlchemyError, self._driver) as error:
                problem = _Problem(error)
                if isinstance(error, self._driver):  # while a connection was arranged, outside of SQLAlchemy's care
                    self._engine.dispose()
                    problem.broken = True
            if problem is not None and problem.missing:
                if nothing is not None:
                    return nothing()
                if not made:
                    made = True
                    self._make()
                    continue
            if problem is not None and problem.broken and not broken:
                broken = 1  # an idle connection that the server or a firewall has closed
                continue
            if (problem is None or problem.passes) and time.monotonic() < end:
                time.sleep(random.uniform(0.001, 0.02))  # noqa: S311  no secret
                continue
            # Outside, without the cause: what a server says may quote a row, and so a token.
            text = problem.text if problem else "is busy: other transactions keep getting in the way"
            raise TokenStoreError(f"the token store in {self._where} {text}")

    def _make(self) -> None:
        for _ in range(5):
            try:
                self._tables.metadata.create_all(self._connected())
                return
            except (
                exc.SQLAlchemyError,
                self._driver,
            ) as error:  # another process makes them at the same moment, or it is forbidden
                problem = _Problem(error)
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311  no secret
        raise TokenStoreError(
            f"the token store in {self._where} has no tables and can't make them: it {problem.text}. Let an"
            " administrator run the statements that `krauth stores sql` prints"
        )


def _stored(row: Any) -> Stored:
    return Stored(bytes(row.value).decode("utf-8", "replace"), row.version)


_REACH = "can't be reached, or broke the connection off; does it run, and are host, port and TLS right?"
_ACCESS = "refused user or password; check the URL"
_RIGHTS = "does not let this user do that; it needs SELECT, INSERT, UPDATE and DELETE on both tables"
_LOCKED = "keeps a row locked for too long; is a transaction of another program open?"
_MISSING = "lacks a table of ours"
_TEXTS: dict[str | int, str] = {
    # PostgreSQL: SQLSTATE, whole or its class. MySQL and MariaDB: the number of the error.
    "28": _ACCESS,
    1045: _ACCESS,
    1698: _ACCESS,
    "3D000": "has no such database; check the URL",
    1049: "has no such database; check the URL",
    "42501": _RIGHTS,
    1142: _RIGHTS,
    1044: _RIGHTS,
    1143: _RIGHTS,
    "42P01": _MISSING,
    1146: _MISSING,
    "53300": "has too many connections",
    1040: "has too many connections",
    "25006": "can't be written to: it is a replica, or read-only",
    1290: "can't be written to: it is a replica, or read-only",
    1792: "can't be written to: it is a replica, or read-only",
    "53100": "can't write: its disk is full",
    1021: "can't write: its disk is full",
    1114: "can't write: its disk is full",
    "57014": "did not answer in time",
    "55P03": _LOCKED,
    1205: _LOCKED,
    "40": _LOCKED,  # serialization failures and deadlocks
    1213: _LOCKED,
    1020: _LOCKED,
    "08": _REACH,
    "57P": _REACH,  # shutting down, starting up
    "25P03": _REACH,  # idle in a transaction for too long: this process was suspended
    **dict.fromkeys((2002, 2003, 2005, 2006, 2013, 1053, 1927, 4031, 0), _REACH),
}
_PASSES = frozenset({"40001", "40P01", "55P03", 1213, 1205, 1020})


class _Problem:
    """What an error of the database means; nothing of its text."""

    def __init__(self, error: Exception) -> None:
        original = getattr(error, "orig", error)
        arguments = getattr(original, "args", ())
        # The number of MySQL says more than its SQLSTATE, which newer PyMySQLs have as well.
        number = arguments[0] if arguments and isinstance(arguments[0], int) else None
        code = getattr(original, "sqlstate", None) if number is None else number
        if code is None and "authentication failed" in str(original):  # while connecting psycopg gives no SQLSTATE
            code = "28"
        found = next((_TEXTS[known] for known in _known_as(code) if known in _TEXTS), None)
        if found is None and isinstance(error, exc.TimeoutError):
            found = "has no free connection in the pool of this process"
        if found is None and code is None and isinstance(error, exc.OperationalError | exc.InterfaceError):
            found = _REACH
        self.text = found or f"failed ({type(original or error).__name__}, {code}); see the log of the server"
        self.missing = found is _MISSING
        self.passes = code in _PASSES
        self.broken = bool(getattr(error, "connection_invalidated", False))


def _known_as(code: str | int | None) -> list[str | int]:
    return [code] if isinstance(code, int) else [] if code is None else [code, code[:3], code[:2]]
