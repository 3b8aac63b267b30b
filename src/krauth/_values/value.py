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


#: Sets a field past `Value.__setattr__`; looked up once, since a token request makes some fifteen values.
_set = object.__setattr__


class _AsDataclass(dict[str, Any]):
    """A class attribute that `dataclasses` looks for; an empty dict to those who find it in the `vars` of a class."""

    def __init__(self, name: str, kind: type[Value]) -> None:
        self._name, self._kind = name, kind

    def __get__(self, value: object, owner: type) -> Any:
        return getattr(_described(self._kind), self._name)  # type: ignore[arg-type]  # a class can be hashed


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
        for name in kind._names
    ]
    return dataclasses.make_dataclass(kind.__name__, fields, repr=False, eq=False, frozen=True)


class Value:
    """An immutable value. Equal values are of one class and have equal fields.

    A subclass names its fields, in order, as `_names`, `__slots__` and `__match_args__`. Its constructor ends with
    `_hold`. Programs derive classes and dataclasses of their own, with other `__match_args__` and constructors.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]]
    _names: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __dataclass_params__: ClassVar[Any]

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "_names" in vars(cls):  # not a program's; in the class itself, where pydantic looks before it changes one
            for name in ("__dataclass_fields__", "__dataclass_params__"):
                setattr(cls, name, _AsDataclass(name, cls))

    def _hold(self, *values: object) -> None:
        """Set the fields, in their order, and check them."""
        for name, value in zip(self._names, values, strict=True):
            _set(self, name, value)
        del values, value  # the checks may raise, and an error tracker knows a secret by its variable's name at best
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
        if self._derived() is not None:
            import dataclasses

            return dataclasses.replace(self, **changes)
        return type(self)(**{name: getattr(self, name) for name in self._names} | changes)

    def __getstate__(self) -> list[Any]:
        return [getattr(self, name) for name in self._derived() or self._names]

    def __setstate__(self, state: list[Any]) -> None:
        for name, value in zip(self._derived() or self._names, state, strict=True):
            _set(self, name, value)

    @classmethod
    def _derived(cls) -> list[str] | None:
        """Return the names of all fields of a dataclass that a program derived from one of ours; `None`: it is ours."""
        for one in cls.__mro__:
            if "_names" in vars(one):
                break
            if "__dataclass_fields__" in vars(one):
                import dataclasses

                return [field.name for field in dataclasses.fields(one)]
        return None

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._names])

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names)
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
