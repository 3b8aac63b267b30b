"""Attributes that a test, a program or a person may set, each with its default and its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Switch(Generic[T]):
    """An attribute of a `Switches` class.

    Args:
        default: The value after a reset; a callable is called for each reset (lists and sets).
        parse: Text → value for the control path and the inspector; None: only Python code sets this one.
        check: Called with a value that Python code sets; raises ValueError where it can't be.
        choices: The texts that `parse` takes, where they are few: the inspector shows them as buttons.
    """

    def __init__(
        self,
        default: T | Callable[[], T],
        parse: Callable[[str], T] | None = None,
        *,
        check: Callable[[T], object] | None = None,
        choices: tuple[str, ...] = (),
    ) -> None:
        self._default = default
        self.parse = parse
        self.check = check
        self.choices = choices
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def default(self) -> T:
        """Return the value after a reset."""
        return self._default() if callable(self._default) else self._default

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Switches, owner: type) -> T: ...

    def __get__(self, instance: Switches | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__[self.name]
        return value

    def __set__(self, instance: Switches, value: T) -> None:
        if self.check is not None:
            self.check(value)
        instance.__dict__[self.name] = value


class Switches:
    """A class with `Switch` attributes."""

    @classmethod
    def switches(cls) -> dict[str, Switch[Any]]:
        """Return every switch by name, those of base classes first."""
        found = {}
        for base in reversed(cls.__mro__):
            found.update({name: value for name, value in vars(base).items() if isinstance(value, Switch)})
        return found

    def reset_switches(self, **initial: Any) -> None:
        """Put every switch to its default, or to its value in `initial`."""
        for name, switch in self.switches().items():
            setattr(self, name, initial.get(name, switch.default))

    def set_switch(self, name: str, text: str) -> None:
        """Set a switch from its text.

        Raises:
            KeyError: There is no such switch, or it is not for texts.
            ValueError: The text is not right for it.
        """
        parse = self.switches()[name].parse
        if parse is None:
            raise KeyError(name)
        try:
            setattr(self, name, parse(text))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
