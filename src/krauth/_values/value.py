"""Value: base of immutable values, which the `dataclasses` module takes for frozen dataclasses.

To import `dataclasses`, and to have it write the classes that a token request needs, takes longer than the request. So
these classes are written out, and their description as dataclasses is made when a program asks for it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from typing import Self, TypeVar

    V = TypeVar("V", bound="Value")


class _AsDataclass:
    """A class attribute that `dataclasses` looks for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, value: object, owner: type[Value]) -> Any:
        if owner is Value:
            raise AttributeError(self._name)
        return getattr(_described(owner), self._name)  # type: ignore[arg-type]  # a class can be hashed


@functools.cache
def _described(kind: type[Value]) -> type:
    """Return a dataclass with the fields of `kind`."""
    import dataclasses
    import inspect

    parameters = inspect.signature(kind.__init__).parameters
    fields = [
        (name, parameters[name].annotation, dataclasses.field(default=parameters[name].default))
        if parameters[name].default is not inspect.Parameter.empty
        else (name, parameters[name].annotation)
        for name in kind.__match_args__
    ]
    return dataclasses.make_dataclass(kind.__name__, fields, repr=False, eq=False, frozen=True)


class Value:
    """An immutable value. Equal values are of one class and have equal fields.

    A subclass names its fields, in order, as `__slots__` and `__match_args__`. Its constructor ends with `_hold`.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]] = _AsDataclass()  # type: ignore[assignment]
    __dataclass_params__: ClassVar[Any] = _AsDataclass()

    def _hold(self, *values: object) -> None:
        """Set the fields, in their order, and check them."""
        for name, value in zip(self.__match_args__, values, strict=True):
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields; named so that a dataclass derived from this class calls it."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __replace__(self, **changes: Any) -> Self:
        return type(self)(**{name: getattr(self, name) for name in self.__match_args__} | changes)

    def __reduce__(self) -> Any:
        return type(self), self._values()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        return (
            self._values() == other._values()
            if isinstance(other, Value) and type(other) is type(self)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self._values())


def replace(value: V, **changes: Any) -> V:
    """Return the same value with other fields."""
    return value.__replace__(**changes)
