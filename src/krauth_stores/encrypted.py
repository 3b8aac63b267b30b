"""`encrypted+sqlite:///tokens.db`: any other store, holding nothing that can be read without the key.

The tokens are hidden. The names of the entries (which hold no secret) and the times of the saves are not. A program
that can write to the store can't forge an entry or exchange two, but it can delete one or put an older one back.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth._plugins import open_store
from krauth.stores import ANY, Lease, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEY_ENV = "KRAUTH_ENCRYPTION_KEYS"
_MAKE = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


def open_url(url: str) -> EncryptedStore:
    """Open `encrypted+<url of another store>`; `?key_env=NAME` names another variable than `KRAUTH_ENCRYPTION_KEYS`."""
    scheme, _, rest = url.partition("://")
    inner = scheme.partition("+")[2]
    if not inner:
        raise ConfigurationError("encrypted:// needs the store that it encrypts: encrypted+sqlite:///tokens.db")
    rest, _, query = rest.partition("?")
    options = query.split("&") if query else []
    name = next((option[8:] for option in options if option.startswith("key_env=")), KEY_ENV)
    query = "&".join(option for option in options if not option.startswith("key_env="))
    keys = keys_in(name, f"{scheme}://")
    store = open_store(f"{inner}://{rest}" + (f"?{query}" if query else ""))
    return EncryptedStore(store, keys, f"the environment variable {name}")


def keys_in(name: str, what: str) -> list[str]:
    """Return the keys in an environment variable.

    Args:
        name: The variable.
        what: What needs them, for the message.

    Raises:
        ConfigurationError: There is none.
    """
    keys = [key.strip() for key in os.environ.get(name, "").split(",") if key.strip()]
    if not keys:
        raise ConfigurationError(
            f"{what} needs a key in the environment variable {name}. Make one with:  {_MAKE}"
            "  and keep it: without it the tokens can't be read. Several are separated by commas, the first encrypts"
        )
    return keys


def fernets(keys: Sequence[str], source: str) -> list[Fernet]:
    """Return what encrypts and decrypts with these keys.

    Args:
        keys: Fernet keys.
        source: Where the keys are from, for messages.

    Raises:
        ConfigurationError: There is no key, or one is malformed.
    """
    if not keys:
        raise ConfigurationError(f"{source} has no encryption key; make one with:  {_MAKE}")
    made: list[Fernet] = []
    for number, key in enumerate(keys, 1):
        if not re.fullmatch("[A-Za-z0-9_-]{43}=", key):  # Fernet itself overlooks what follows a "="
            raise ConfigurationError(
                f"key number {number} in {source} is no Fernet key (32 bytes in URL-safe base64; several are"
                f" separated by commas); make one with:  {_MAKE}"
            )
        made.append(Fernet(key))
    return made


class EncryptedStore(TokenStore):
    """Encrypts what another store keeps (Fernet: AES-128-CBC with HMAC-SHA256); versions and leases are that store's.

    Args:
        store: The other store.
        keys: Fernet keys. The first encrypts, all decrypt: to rotate, put a new one first; entries change over when
            they are next saved, and the old one can go when the last has.
        source: Where the keys are from, for messages.

    Raises:
        ConfigurationError: There is no key, or one is malformed.
    """

    def __init__(self, store: TokenStore, keys: Sequence[str], source: str = "keys=") -> None:
        made = fernets(keys, source)
        self._newest, self._fernet = made[0], MultiFernet(made)
        self._store = store
        self._source = source
        self.blocking = store.blocking

    def load(self, key: str) -> Stored | None:
        """Return the entry, decrypted, or `None`.

        Raises:
            TokenStoreError: It was encrypted with another key, not at all, or is another entry's.
        """
        return self._decrypted(key, self._store.load(key))

    def _decrypted(self, key: str, stored: Stored | None) -> Stored | None:
        if stored is None:
            return None
        try:
            name, value = json.loads(self._fernet.decrypt(stored.value))
        except (InvalidToken, ValueError, TypeError):
            raise TokenStoreError(
                f"the entry {key} in {self._store!r} can't be decrypted with any key in {self._source}: add the key"
                " it was encrypted with after the others; or, if it was saved unencrypted or that key is lost,"
                " delete the entry to start anew"
            ) from None
        if name != key:  # the name is encrypted with the text, so that entries can't be exchanged
            raise TokenStoreError(
                f"the entry {key} in {self._store!r} holds a value that was saved under another name: an entry was"
                " moved; delete it to start anew, and find out who can write to the store"
            )
        return Stored(value, stored.version)

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry, encrypted, and return its new version; see `TokenStore.save`."""
        text = self._encrypted(key, value)
        return self._store.save(key, text, version=version, lease=lease, expires_at=expires_at)

    def _encrypted(self, key: str, value: str) -> str:
        return self._fernet.encrypt(json.dumps([key, value]).encode()).decode("ascii")

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        self._store.delete(key)

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease of the other store, or `None` while another holds it."""
        return self._store.acquire(key, seconds)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        self._store.release(lease)

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask the other store for a lease, and return the entry, decrypted."""
        lease, stored = self._store.acquire_and_load(key, seconds)
        try:
            return lease, self._decrypted(key, stored)
        except TokenStoreError:
            if lease is not None:
                with contextlib.suppress(TokenStoreError):
                    self._store.release(lease)
            raise

    def save_and_release(
        self, key: str, value: str, *, version: str | None, lease: Lease, expires_at: float | None = None
    ) -> str:
        """Save an entry, encrypted, and give the lease back."""
        text = self._encrypted(key, value)
        return self._store.save_and_release(key, text, version=version, lease=lease, expires_at=expires_at)

    def reencrypt(self, key: str, expires_at: Callable[[str], float | None]) -> bool:
        """Encrypt an entry with the newest key, and return whether that had to be done.

        Args:
            key: The entry.
            expires_at: Tells from the text of the entry when it may be dropped, in seconds since the epoch.

        Raises:
            TokenStoreError: The entry can't be decrypted, or other processes kept saving it.
        """
        for _ in range(10):
            stored = self._store.load(key)
            if stored is None:
                return False
            with contextlib.suppress(InvalidToken):
                self._newest.decrypt(stored.value)
                return False
            plain = self._decrypted(key, stored)
            assert plain is not None
            text = self._encrypted(key, plain.value)
            with contextlib.suppress(StoreConflict):  # saved meanwhile, with whichever key that process has
                self._store.save(key, text, version=stored.version, expires_at=expires_at(plain.value))
                return True
        raise TokenStoreError(f"the entry {key} in {self._store!r} is saved all the time; try again later")

    def missing(self) -> str | None:
        """Return what the other store lacks."""
        return self._store.missing()

    def vacuum(self) -> Iterator[tuple[int, int]]:
        """Drop dead entries of the other store."""
        return self._store.vacuum()

    def keys(self) -> list[str]:
        """Return all keys of the other store."""
        return self._store.keys()

    def close(self) -> None:
        """Close the other store."""
        self._store.close()

    def __repr__(self) -> str:
        return f"<EncryptedStore in {self._store!r}>"
