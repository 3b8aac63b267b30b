"""A string that no repr, log, pickle or traceback shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, overload

from .guard import know

if TYPE_CHECKING:
    from typing import Protocol

    class SecretValue(Protocol):
        """What `pydantic.SecretStr` is."""

        def get_secret_value(self) -> str: ...


class Secret:
    """Holds a secret so that only `reveal()` gives it out.

    It is deliberately not a `str`: a tool that renders local variables (rich, pytest `--showlocals`,
    error trackers) slices or formats strings, and so would show a masked subclass of `str`.
    """

    __slots__ = ("__known", "__value")

    def __init__(self, value: str, *, known: bool = True) -> None:
        """Hide a value.

        Args:
            value: The secret.
            known: Whether it is removed from messages while this exists; not for a setting that may be anything, and
                is hidden only from the frames of its check.
        """
        self.__value = value
        self.__known = know(value, short=True) if known and isinstance(value, str) and value else None

    def reveal(self) -> str:
        """Return the secret itself; do not keep it in a local variable of a function that may raise."""
        return self.__value

    def __repr__(self) -> str:
        return "<secret>"

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.reveal()

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled; read it from the environment where it is needed")


@overload
def hide(value: str | Secret) -> Secret: ...
@overload
def hide(value: object) -> Secret | None: ...
def hide(value: object) -> Secret | None:
    """Return `value` as a `Secret`, so that a frame that goes on to raise holds no secret; `None` stays `None`.

    Values that are no strings are hidden too, since bytes, for example, can be a secret. The checks refuse them later.
    """
    return value if value is None or isinstance(value, Secret) else Secret(value)  # type: ignore[arg-type]


def unseen(value: object) -> Secret:
    """Return an argument as a `Secret`, so that no frame of ours shows it: a callback, a session, anything."""
    return value if isinstance(value, Secret) else Secret(value, known=False)  # type: ignore[arg-type]


#: Whether constructors take any text for a secret: inside `krauth.testing.static_token`, where no server is asked.
accepts_dummies = False


def accept_dummies(accepts: bool) -> bool:
    """Set `accepts_dummies`, and return what it was before."""
    global accepts_dummies
    before, accepts_dummies = accepts_dummies, accepts
    return before
