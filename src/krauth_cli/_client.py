"""Which client acts for which user: the options and files that `login`, `logout`, `introspect`, `whoami` share."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from krauth import RefreshPolicy

from ._failure import Failure, Misuse, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth._values.record import Record
    from krauth.provider import UserAuth

#: Whichever library is there sends the token requests; those that honour HTTPS_PROXY by themselves first.
_STACKS: Final = ("requests", "httpx", "httpx2", "aiohttp")
#: What a file may say for any server, in the words of `OAuth2Auth`.
_SETTINGS: Final = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "client_id",
    "client_auth",
    "scope",
    "redirect_uri",
    "user",
    "requires_issuer",
)
#: Settings of the command line in addition to the provider's.
_MORE: Final = ("api_origins", "client_secret_env", "store")
_SECRETS: Final = ("client_secret", "secret", "api_key", "token", "access_token", "refresh_token", "password")
#: The variable that holds the client secret where nothing else is said.
SECRET_VARIABLE: Final = "KRAUTH_CLIENT_SECRET"  # noqa: S105  the name of a variable
#: A sign-in waits for a person; a refresh in a terminal should not wait long.
_POLICY: Final = RefreshPolicy(timeout=20.0, require_store=True)


def client_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the argument TARGET and the options that say which client, user and store."""
    endpoints = [
        click.option(
            f"--{name}-endpoint", f"{name}_endpoint", metavar="URL", help=f"The server's {name} endpoint ({rfc})."
        )
        for name, rfc in (
            ("authorization", "RFC 6749"),
            ("token", "RFC 6749"),
            ("revocation", "RFC 7009"),
            ("introspection", "RFC 7662"),
        )
    ]
    options = [
        click.argument("target", required=False, metavar="[meloming|FILE.toml]"),
        click.option("--user", metavar="NAME", help="Any name of yours for the user.  [default: me]"),
        click.option(
            "--store",
            envvar="KRAUTH_STORE",
            show_envvar=True,
            metavar="URL",
            help="Where the token is kept.  [default: a SQLite file in your data folder]",
        ),
        click.option("--client-id", metavar="ID", help="As registered.  [meloming: MELOMING_CLIENT_ID]"),
        click.option("--scope", metavar="TEXT", help="Scopes, separated by blanks.  [default: the server's]"),
        click.option("--base-url", envvar="MELOMING_BASE_URL", show_envvar=True, help="meloming: where the API is."),
        click.option("--issuer", metavar="URL", help="Any other server: its issuer, exactly as it writes it."),
        *endpoints,
        click.option("--client-auth", metavar="METHOD", help="client_secret_post, client_secret_basic or none."),
        click.option(
            "--client-secret-env",
            metavar="NAME",
            help=f"The variable that holds the client secret.  [default: {SECRET_VARIABLE}]",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


class Client:
    """A client at a server and a user of it, as options and a file say. Nothing is sent until `auth` is called.

    Raises:
        Misuse: They don't say enough, or contradict each other.
    """

    def __init__(self, target: str | None, options: dict[str, Any]) -> None:
        options = {name: value for name, value in options.items() if value is not None}
        self._typed = [*([target] if target else []), *typed(options)]
        base_url = options.pop("base_url", None)
        self.is_meloming = target == "meloming"
        if target is None and not {"issuer", "token_endpoint"} & options.keys():
            context = click.get_current_context(silent=True)
            command = "krauth login" if context is None else context.command_path
            raise Misuse(
                "name the server: {command} meloming, {command} FILE.toml, or {command} --issuer URL", command=command
            )
        if target is not None and not self.is_meloming:
            options = {**read_file(target), **options}
        self.user = str(options.pop("user", "me"))
        self.store = str(options.pop("store", None) or default_store())
        if self.store.startswith("memory:"):
            raise Misuse("memory:// forgets the token when this command ends; name a store that keeps it")
        self.redirect_uri: str | None = options.pop("redirect_uri", None)
        self._settings = options
        if self.is_meloming:
            if extra := sorted(options.keys() - {"client_id", "scope", "client_secret_env"}):
                raise Misuse("meloming takes no {names}: its endpoints are known", names=", ".join(extra))
            if base_url is not None:
                self._settings["base_url"] = base_url

    def auth(self, redirect_uri: str | None = None) -> UserAuth:
        """Return the auth object; asks the server for its metadata where only the issuer is known."""
        settings = dict(self._settings)
        package = _package()
        more = {"user": self.user, "store": self.store, "redirect_uri": redirect_uri, "refresh": _POLICY}
        variable = settings.pop("client_secret_env", None)
        secret = os.environ.get(variable or SECRET_VARIABLE) or None
        if variable is not None and secret is None:
            raise Misuse("the environment variable {name} is not set", name=printable(variable, 60))
        if self.is_meloming:
            given = {} if variable is None else {"client_secret": secret}
            auth: UserAuth = package.MelomingOAuth.from_env(**settings, **given, **more)
            return auth
        # Nothing is called here: the token is for other programs, which name the origins it may go to.
        settings.setdefault("api_origins", settings.get("issuer") or settings.get("token_endpoint"))
        if "client_id" not in settings:
            raise Misuse("client_id is missing: --client-id, or client_id in the file")
        make = package.OAuth2Auth
        if "token_endpoint" not in settings:
            if "issuer" not in settings:
                raise Misuse("the server is missing: --issuer, or --token-endpoint and --authorization-endpoint")
            auth = make.discover(settings.pop("issuer"), settings.pop("client_id"), secret, **settings, **more)
        else:
            auth = make(settings.pop("client_id"), secret, **settings, **more)
        return auth

    @property
    def name(self) -> str:
        """What to call the server."""
        if self.is_meloming:
            return "meloming"
        return printable(self._settings.get("issuer") or self._settings.get("token_endpoint"), 100)

    def command(self, name: str) -> str:
        """Return another command for the same client, user and store, ready to be typed."""
        return shlex.join(["krauth", name, *self._typed])

    @property
    def shown_store(self) -> str:
        """The store's URL without a password in it."""
        scheme, _, rest = self.store.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}".partition("?")[0]

    def stored(self) -> tuple[UserAuth, Record | None]:
        """Return the auth object and what the store holds for it; with any scope, where none is named and one is there.

        Raises:
            Failure: There are several, with different scopes.
        """
        from krauth._engine.driver import key_in
        from krauth._values.record import Record

        auth = self.auth()
        store = auth._tokens.store
        key = key_in(store, auth._tokens.credentials)
        found = store.load(key)
        if found is None and "scope" not in self._settings:
            scopes = sorted(scope for other in store.keys() if (scope := _scope_apart(other, key)))  # noqa: SIM118
            if len(scopes) > 1:
                raise Failure(
                    "there are several tokens, one for each of these scopes: {scopes}; use --scope",
                    scopes=", ".join(scopes),
                )
            if scopes:
                self._settings["scope"] = scopes[0]
                return self.stored()
        return auth, Record.from_text(found.value) if found is not None else None


def typed(options: dict[str, Any]) -> list[str]:
    """Return the options that a user typed; a variable's value, which may hold a password, is not among them."""
    context = click.get_current_context(silent=True)
    given = [
        name
        for name in options
        if context is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    return [word for name in given for word in (f"--{name.replace('_', '-')}", str(options[name]))]


def read_file(target: str) -> dict[str, Any]:
    """Return the settings in a TOML file.

    Raises:
        Misuse: There is none, or it holds what it should not.
    """
    try:
        data = tomllib.loads(Path(target).read_text("utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise Misuse("name the server: meloming, or a TOML file; there is no file of that name") from None
    except OSError as error:
        raise Misuse("the file can't be read: {why}", why=error.strerror) from None
    except ValueError as error:  # not UTF-8, or not TOML; the message must not quote the file
        raise Misuse("the file is no TOML: {why}", why=type(error).__name__) from None
    if found := sorted(set(_SECRETS) & data.keys()):
        raise Misuse(
            "{names} must not be in a file, which ends up in a repository one day: put the secret into an"
            ' environment variable, and its name into the file: client_secret_env = "EXAMPLE_CLIENT_SECRET"',
            names=", ".join(found),
        )
    known = {*_SETTINGS, *_MORE}
    if unknown := sorted(data.keys() - known):
        names = printable(", ".join(unknown))
        raise Misuse("the file sets {names}; known are {known}", names=names, known=", ".join(sorted(known)))
    for name, value in data.items():
        wanted = (bool,) if name == "requires_issuer" else (str, list) if name == "api_origins" else (str,)
        if not isinstance(value, wanted):
            raise Misuse("{name} in the file must be a {kind}", name=name, kind=wanted[0].__name__)
    return data


def default_store() -> str:
    """Return the URL of the SQLite file in the user's data folder."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return f"sqlite:///{(base / 'krauth' / 'tokens.db').as_posix()}"


def _scope_apart(other: str, key: str) -> str | None:
    """Return the scope of a key that differs in nothing else from one without a scope."""
    from urllib.parse import unquote

    parts = other.split("|")
    scopes = [part for part in parts if part.startswith("scope=")]
    if len(scopes) != 1 or "|".join(part for part in parts if part not in scopes) != key:
        return None
    return unquote(scopes[0].removeprefix("scope="))


def _package() -> Any:
    stack = next((name for name in _STACKS if importlib.util.find_spec(name) is not None), None)
    if stack is None:
        raise Misuse("an HTTP library is needed to send token requests: pip install 'krauth[requests]'")
    return importlib.import_module(f"krauth_{stack}")
