"""`Sandbox`: both providers with their credentials and addresses, started and stopped together."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import bcrypt

from ._ground.clock import TokenClock
from ._ground.describe import describe
from ._ground.settings import read_settings
from ._inspector.desk import Inspector
from ._meloming.emulator import MelomingEmulator
from ._naver.emulator import NaverEmulator
from ._server import control
from ._server.thread import HOST, ServerThread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

# Sellers that the SELLER type accepts: account id -> account uid.
_ACCOUNTS: Final = {
    "krauth-seller-1": "ncp_1krauthsandbox0000001",
    "krauth-seller-2": "ncp_1krauthsandbox0000002",
}
# Whom the SELF type stands for.
_OWN_ACCOUNT: Final = ("krauth-self", "ncp_1krauthsandbox0000000")
_REDIRECT_URIS: Final = ("https://app.example/callback", "http://localhost:8000/callback")


class Sandbox:
    """Naver Commerce API and Meloming OpenAPI on two loopback ports, with credentials made for this instance.

    Args:
        naver_port: 0 for a free one, chosen at the first start and kept for later ones; `meloming_port` likewise.
        speed: Every documented token lifetime is divided by it: at 3600 an hour's token lives one second.
        naver_client_id: Random where not given, like every other credential.
        naver_accounts: The sellers that exist: account id → account uid.
        meloming_clients: More clients: id → secret, True for a random secret, False or None for a public client.
        meloming_users: Users that the consent page suggests; any other name does as well.
        meloming_redirect_uris: The registered ones; loopback ones (RFC 8252 §7.3) need no registration.
        rotation: A refresh brings a new refresh token.
        reuse_detection: A spent refresh token revokes every token of the same consent.
        hosts: Names that a Host header may have in addition to those of loopback.

    Raises:
        ValueError: A setting can't be right.
        OSError: From `start`, where a port is taken.
    """

    def __init__(
        self,
        *,
        naver_port: int = 0,
        meloming_port: int = 0,
        speed: float = 1.0,
        naver_client_id: str | None = None,
        naver_client_secret: str | None = None,
        naver_accounts: Mapping[str, str] | None = None,
        meloming_client_id: str | None = None,
        meloming_client_secret: str | None = None,
        meloming_public_client_id: str | None = None,
        meloming_clients: Mapping[str, str | bool | None] | None = None,
        meloming_users: Iterable[str] = ("melo", "ming"),
        meloming_api_key: str | None = None,
        meloming_test_api_key: str | None = None,
        meloming_redirect_uris: Iterable[str] = _REDIRECT_URIS,
        rotation: bool = True,
        reuse_detection: bool = True,
        hosts: Iterable[str] = (),
    ) -> None:
        accounts = dict(_ACCOUNTS if naver_accounts is None else naver_accounts)
        if not accounts:
            raise ValueError("naver_accounts must name at least one seller")
        self.naver_client_id = naver_client_id or secrets.token_urlsafe(16).replace("-", "x").replace("_", "y")
        self.naver_account_id, self.naver_account_uid = next(iter(accounts.items()))
        clients = {name: _secret(value) for name, value in (meloming_clients or {}).items()}
        self.meloming_client_id = meloming_client_id or _first(clients, public=False)
        self.meloming_public_client_id = meloming_public_client_id or _first(clients, public=True)
        # "Live | mlm_live_", "Test | mlm_test_"
        self.meloming_api_key = meloming_api_key or f"mlm_live_{secrets.token_hex(16)}"
        self.meloming_test_api_key = meloming_test_api_key or f"mlm_test_{secrets.token_hex(16)}"
        self._clock = TokenClock()
        self.naver = NaverEmulator(
            self._clock,
            client_id=self.naver_client_id,
            # "Real secrets are cost 4": `$2a$04$` and 22 characters, 29 in all.
            client_secret=naver_client_secret or bcrypt.gensalt(4, prefix=b"2a").decode("ascii"),
            accounts=accounts,
            own_account=_OWN_ACCOUNT,
            speed=speed,
        )
        first_secret = meloming_client_secret or clients.get(self.meloming_client_id) or _secret(True)
        self.meloming = MelomingEmulator(
            self._clock,
            clients={
                self.meloming_client_id: first_secret,
                self.meloming_public_client_id: None,
                **{name: secret for name, secret in clients.items() if name != self.meloming_client_id},
            },
            api_keys=(self.meloming_api_key, self.meloming_test_api_key),
            redirect_uris=meloming_redirect_uris,
            usernames=meloming_users,
            speed=speed,
            rotation=rotation,
            reuse_detection=reuse_detection,
        )
        self._inspector = Inspector([self.naver, self.meloming], self._addresses)
        self._ports = [naver_port, meloming_port]
        self._hosts = frozenset(hosts)
        self._server: ServerThread | None = None

    @classmethod
    def from_file(cls, path: str | PathLike[str], **settings: Any) -> Self:
        """Make one as a settings file (TOML) says; docs/sandbox.md lists what may stand in it.

        Args:
            path: The file.
            settings: Arguments of the class; they win over the file.

        Raises:
            ValueError: The file is not TOML, or sets what the sandbox does not know.
            OSError: The file can't be read.
        """
        return cls(**{**read_settings(Path(path).read_text("utf-8")), **settings})

    # ---- lifecycle ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen on both ports and return; RuntimeError where it already does."""
        if self._server is not None:
            raise RuntimeError("this sandbox is already running")
        applications = [
            (emulator.application([*control.routes(emulator), *self._inspector.routes()], self._hosts), port)
            for emulator, port in zip((self.naver, self.meloming), self._ports, strict=True)
        ]
        server = ServerThread(applications)
        server.start()
        self._ports, self._server = list(server.ports), server

    def stop(self) -> None:
        """Close every connection and return when the thread is gone; no harm in stopping twice.

        Tokens, counters and ports are kept: `start` again, and the outage is over.
        """
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # ---- credentials and addresses -----------------------------------------------------------------------

    @property
    def naver_client_secret(self) -> str:
        """The secret of the Naver application that is good now."""
        return self.naver.client_secret

    @property
    def meloming_client_secret(self) -> str:
        """The secret of the first Meloming client that is good now."""
        return self.meloming.client_secret

    @property
    def naver_url(self) -> str:
        """A seller's base URL, `http://127.0.0.1:PORT/external`."""
        return f"{self._origin(0)}/external"

    @property
    def naver_partner_url(self) -> str:
        """An agency's base URL, `http://127.0.0.1:PORT/partner`: the same emulator."""
        return f"{self._origin(0)}/partner"

    @property
    def meloming_url(self) -> str:
        """The base URL, `http://127.0.0.1:PORT`."""
        return self._origin(1)

    @property
    def meloming_redirect_uris(self) -> list[str]:
        """Registered redirect URIs, open to change; loopback ones (RFC 8252 §7.3) are accepted, too."""
        return self.meloming.redirect_uris

    def _addresses(self) -> dict[str, str]:
        return {"NAVER_COMMERCE_BASE_URL": self.naver_url, "MELOMING_BASE_URL": self.meloming_url}

    def _origin(self, index: int) -> str:
        if not self._ports[index]:
            raise RuntimeError("the sandbox has no port before it is started: use `with Sandbox() as sandbox:`")
        return f"http://{HOST}:{self._ports[index]}"

    # ---- both at once ------------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """What documented lifetimes are divided by; setting it affects tokens issued from then on."""
        return self.naver.speed

    @speed.setter
    def speed(self, value: float) -> None:
        if value <= 0:
            raise ValueError("speed must be greater than 0")
        self.naver.speed = self.meloming.speed = value

    def advance(self, seconds: float) -> None:
        """Let `seconds` of real token lifetime pass at once; neither Date nor the timestamp check notices."""
        self._clock.advance(seconds)

    def revoke_all(self) -> None:
        """Make every token of both providers unusable, refresh tokens included."""
        self.naver.revoke_all()
        self.meloming.revoke_all()

    def reset(self) -> None:
        """Put both back to the first moment: switches, faults, counters, records, tokens, the token clock."""
        self.revoke_all()
        self._clock.rewind()
        self.naver.reset()
        self.meloming.reset()

    def describe(self, language: str = "en") -> str:
        """Explain how to use a running sandbox, its (worthless) credentials included, for a terminal.

        Args:
            language: `en` or `ko`.
        """
        others = {name: secret for name, secret in self.meloming.clients.items() if name != self.meloming_client_id}
        return describe(
            language,
            naver=self._origin(0),
            meloming=self._origin(1),
            variables={
                "NAVER_COMMERCE_BASE_URL": self.naver_url,
                **self.naver.credentials(),
                "MELOMING_BASE_URL": self.meloming_url,
                **self.meloming.credentials(),
            },
            sellers=list(self.naver.accounts),
            users=self.meloming.usernames,
            clients=others,
            test_api_key=self.meloming_test_api_key,
        )

    def __repr__(self) -> str:
        if self._server is None:
            return "<Sandbox stopped>"
        return f"<Sandbox naver={self.naver_url} meloming={self.meloming_url}>"


def _secret(value: str | bool | None) -> str | None:
    return secrets.token_urlsafe(32) if value is True else value or None


def _first(clients: Mapping[str, str | None], *, public: bool) -> str:
    """Return the first client of a kind, or a new name for one."""
    found = (name for name, secret in clients.items() if (secret is None) == public)
    return next(found, f"mlm-{'public' if public else 'app'}-{secrets.token_hex(6)}")
