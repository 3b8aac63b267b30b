"""An example plugin for krauth: `jsonfile:///path/to/tokens.json` keeps tokens in a JSON file (POSIX only)."""

import fcntl
import json
import os
import time
import uuid
from contextlib import contextmanager

import krauth
from krauth.stores import ANY, Lease, Stored


@krauth.hookimpl
def krauth_register_token_stores(register):
    register("jsonfile", lambda url: JSONFileStore(url.partition("://")[2]))


class JSONFileStore(krauth.TokenStore):
    def __init__(self, path):
        if not path.startswith("/"):
            raise krauth.ConfigurationError("write jsonfile:///path/to/tokens.json, with three slashes")
        self.path = path

    @contextmanager
    def _opened(self):
        """Read the file, let the caller change what is in it, write it: one process and thread at a time."""
        try:
            with open(os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                before = "{}"
                if os.path.exists(self.path):
                    with open(self.path, encoding="utf-8") as file:
                        before = file.read()
                data = {"entries": {}, "leases": {}} | json.loads(before)
                yield data
                if (after := json.dumps(data)) != before:
                    with open(os.open(f"{self.path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                        file.write(after)
                        file.flush()
                        os.fsync(file.fileno())  # on the disk before anybody uses the token
                    os.replace(f"{self.path}.new", self.path)
        except (OSError, ValueError) as error:
            raise krauth.TokenStoreError(f"the token file {self.path} can't be used: {error}") from error

    def load(self, key):
        with self._opened() as data:
            return _live(data, key)

    def save(self, key, value, *, version=ANY, lease=None, expires_at=None):
        with self._opened() as data:
            present = _live(data, key)
            if version != ANY and version != (present.version if present else None):
                raise krauth.StoreConflict("another process saved a token in the meantime")
            if lease is not None and data["leases"].get(key, {}).get("owner") != lease.owner:
                raise krauth.StoreConflict("the lease was lost before the token could be saved")
            new = uuid.uuid4().hex
            data["entries"][key] = {"value": value, "version": new, "expires_at": expires_at}
            return new

    def delete(self, key):
        with self._opened() as data:
            data["entries"].pop(key, None)

    def acquire(self, key, seconds):
        with self._opened() as data:
            held = data["leases"].get(key, {"owner": None, "ends_at": 0, "fence": 0})
            if held["owner"] is not None and held["ends_at"] > time.time():
                return None
            lease = Lease(key, uuid.uuid4().hex, held["fence"] + 1)
            ends_at = time.time() + seconds
            data["leases"][key] = {"owner": lease.owner, "ends_at": ends_at, "fence": lease.fence}
            return lease

    def release(self, lease):
        with self._opened() as data:
            if data["leases"].get(lease.key, {}).get("owner") == lease.owner:
                data["leases"][lease.key]["owner"] = None  # the fence stays: it only grows

    def keys(self):
        with self._opened() as data:
            return [key for key in data["entries"] if _live(data, key)]

    def __repr__(self):
        return f"<JSONFileStore {self.path}>"


def _live(data, key):
    entry = data["entries"].get(key)
    if entry is None or (entry["expires_at"] is not None and entry["expires_at"] <= time.time()):
        return None
    return Stored(entry["value"], entry["version"])
