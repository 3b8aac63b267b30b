"""Value: the base of immutable values with named fields.

They are what `@dataclass(frozen=True, slots=True)` makes, and answer to `dataclasses.replace`, `fields` and `asdict`;
but importing `dataclasses` brings `inspect`, `ast` and `tokenize` along, and each class it makes is compiled from text
at import. That took half the time that importing an adapter took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Fields(type):
    """Makes a class's annotations its slots."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _Fields:
        own = tuple(namespace.get("__annotations__", ())) if bases else ()
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        for base in bases:
            namespace["__match_args__"] = (*base.__match_args__, *own)  # type: ignore[attr-defined]
            namespace["_defaults"] = {**base._defaults, **defaults}  # type: ignore[attr-defined]
        return super().__new__(mcs, name, bases, {**namespace, "__slots__": own})


class _DataclassFields:
    """`__dataclass_fields__`, made for whoever asks: only then is `dataclasses` worth its import."""

    def __get__(self, value: object, cls: type[Value]) -> dict[str, Any]:
        import dataclasses

        made: Any = dataclasses.make_dataclass(cls.__name__, cls.__match_args__)
        fields: dict[str, Any] = made.__dataclass_fields__
        return fields


@dataclass_transform(frozen_default=True)
class Value(metaclass=_Fields):
    """An immutable value: the annotations of a subclass are its fields, in the order of its arguments."""

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, **named: Any) -> None:
        fields = self.__match_args__
        placed = dict(zip(fields, args, strict=False))
        values = {**self._defaults, **placed, **named}
        wrong = (values.keys() ^ set(fields)) | (placed.keys() & named.keys())
        if wrong or len(args) > len(fields):
            raise TypeError(
                f"{type(self).__name__}({', '.join(fields)}): "
                + (f"missing, unknown or given twice: {', '.join(sorted(wrong))}" if wrong else "too many arguments")
            )
        for name in fields:
            object.__setattr__(self, name, values[name])
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the values."""

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some values changed."""
        return type(self)(**{name: getattr(self, name) for name in self.__match_args__} | changes)

    __replace__ = replace  # `copy.replace`, from Python 3.13 on

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"{type(self).__name__} is immutable; replace({name}=…) returns a changed copy")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    if not TYPE_CHECKING:
        __dataclass_fields__ = _DataclassFields()
