"""SecretSource: a client secret and where it came from, so that it can be read again. Used by `credentials`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._values.exceptions import ConfigurationError, KrauthError, without_frames
from .._values.secret import hide

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._values.secret import Secret


class SecretSource:
    """A client secret and where it came from, so that it can be read again after it was replaced there.

    Auth objects for several sellers share one, so that all of them use the new secret once one has read it.

    Attributes:
        current: The secret, as read last.
    """

    __slots__ = ("_check", "_origin", "current")

    def __init__(self, value: object, check: Callable[[object], Secret]) -> None:
        """Read and check the secret.

        Args:
            value: A string, an object with `get_secret_value()` (pydantic's `SecretStr`), or a callable that returns
                either. Anything may be wrapped in a `Secret`.
            check: Returns the secret that a value holds, or raises `ConfigurationError`.

        Raises:
            ConfigurationError: It can't be read, or can't be a client secret.
        """
        origin = hide(value)
        del value
        can_change = origin is not None and (hasattr(origin.reveal(), "get_secret_value") or callable(origin.reveal()))
        self._origin, self._check = origin if can_change else None, check
        self.current = self._read() if can_change else check(origin)

    @property
    def can_change(self) -> bool:
        """Whether it can be read again."""
        return self._origin is not None

    def reread(self, used: Secret) -> bool:
        """Read the secret again; return whether the current one is another than `used`, which was refused.

        Blocks while a callable does. A secret that can't be read, or can't be right, leaves the current one in force.
        """
        if self.current != used or self._origin is None:
            return self.current != used
        try:
            self.current = self._read()
        except KrauthError as error:
            from .._values.event import logger

            logger.warning("the client secret could not be read again, the one before stays in force: %s", error)
        return self.current != used

    def _read(self) -> Secret:
        assert self._origin is not None
        value: Any = self._origin.reveal()
        try:
            if not hasattr(value, "get_secret_value"):
                value = value()
            if hasattr(value, "get_secret_value"):
                value = value.get_secret_value()
            value = hide(value)
        except Exception as error:  # noqa: BLE001  a user's function: anything may come out of it
            value = None
            raise ConfigurationError(f"client_secret could not be read: {type(error).__name__}") from without_frames(
                error
            )
        if value is not None and hasattr(value.reveal(), "__await__"):
            if hasattr(value.reveal(), "close"):
                value.reveal().close()
            raise ConfigurationError(
                "client_secret must be a plain function, not a coroutine function: threads call it"
            )
        return self._check(value)

    def __repr__(self) -> str:
        return "<secret>"
