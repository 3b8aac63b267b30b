"""What tests change for the whole process: the token that is sent, and all that krauth has learnt."""

from __future__ import annotations

import time
from typing import Self

from .._values.clock import current_clock
from .._values.exceptions import ConfigurationError


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
        from .._engine import process
        from .._engine.snapshot import Snapshot
        from .._values import secret
        from .._values.token import Token

        snapshot = Snapshot.of(Token(self.token, None, time.time()), 0, 0.0, 0.0, current_clock())
        asked = [getattr(auth, "_source", None) for auth in self._auths] if self._auths else [process.EVERYONE]
        targets = [target for target in asked if target is not None]
        if len(targets) < len(asked):
            raise ConfigurationError("static_token takes auth objects that send tokens")
        self._before = [(target, process.static.get(target)) for target in targets]
        self._dummies = secret.accept_dummies(secret.accepts_dummies or not self._auths)
        for target in targets:
            process.set_static(target, snapshot)
        return self.token

    def __exit__(self, *exception: object) -> None:
        from .._engine import process
        from .._values import secret

        secret.accept_dummies(self._dummies)
        for target, before in self._before:
            process.set_static(target, before)


class reset:  # noqa: N801  used like a function
    """Forget all tokens, failures and stores of this process, now and, as `with reset():`, at the end of the block.

    Tests then do not depend on each other. Tokens in SQLite, Redis and other durable stores stay; so name another store
    for each test. Auth objects that exist go on with the new, empty state. Also a pytest fixture: `krauth_reset`.
    """

    def __init__(self) -> None:
        from .. import _plugins
        from .._auth import origin_auth, user_auth
        from .._engine import process
        from ..stores import clear_memory

        process.reset()
        clear_memory()
        origin_auth.reset()
        user_auth.reset()
        _plugins.forget_opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        type(self)()
