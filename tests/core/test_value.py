"""Immutable values: what a frozen dataclass promises, kept without importing dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys

import pytest

from krauth import HTTPRequest, HTTPResponse, RefreshPolicy, Token
from krauth._value import Value

REQUEST = HTTPRequest("POST", "https://api.example.com/token", {"Accept": "*/*"}, body=b"x=1")


class Point(Value):
    """Two numbers and a name."""

    x: int
    y: int = 0
    name: str = "p"


class Point3(Point):
    """A value with one field more."""

    z: int = 9


def test_arguments_by_position_and_by_name():
    """Fields are arguments, in order; what has a default may be left out."""
    assert Point(1) == Point(x=1) == Point(1, 0, name="p")
    assert (Point(1, 2).x, Point(1, 2).y, Point(1, 2).name) == (1, 2, "p")
    assert Point3(1, z=3) == Point3(1, 0, "p", 3)


@pytest.mark.parametrize(
    ("arguments", "named", "told"),
    [((), {}, "x"), ((1, 2, "n", 4), {}, "too many"), ((1,), {"x": 2}, "x"), ((1,), {"w": 2}, "w")],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_wrong_arguments_are_named(arguments, named, told):
    """A wrong call is a `TypeError` that says which argument, and what the arguments are."""
    with pytest.raises(TypeError, match=r"Point\(x, y, name\)") as caught:
        Point(*arguments, **named)
    assert told in str(caught.value)


def test_equality_and_hash():
    """Values of one class with equal fields are equal; a subclass's are another's."""
    assert Point(1) != Point(2)
    assert Point(1) != Point3(1)
    assert Point(1) != (1, 0, "p")
    assert len({Point(1), Point(1), Point3(1)}) == 2
    assert repr(Point(1)) == "Point(x=1, y=0, name='p')"


def test_nothing_can_be_changed_or_added():
    """Assignment and deletion are refused, as by a frozen dataclass; there is no `__dict__`."""
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="replace"):
        point.x = 2
    with pytest.raises(AttributeError):
        point.w = 2
    with pytest.raises(AttributeError):
        del point.x
    assert not hasattr(point, "__dict__")
    assert point == Point(1)


def test_replace_returns_a_changed_copy():
    """By method, by `dataclasses.replace`, and by `copy.replace` where Python has it."""
    assert Point(1).replace(y=5) == Point(1, 5)
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    if sys.version_info >= (3, 13):
        assert copy.replace(Point(1), y=5) == Point(1, 5)
    with pytest.raises(TypeError, match="w"):
        Point(1).replace(w=5)
    with pytest.raises(Exception, match="attempts"):  # a replacement is checked, too
        RefreshPolicy().replace(attempts=0)


def test_they_answer_as_dataclasses_do():
    """Tools that know dataclasses know them: fields, asdict, and pattern matching."""
    assert dataclasses.is_dataclass(REQUEST)
    assert [field.name for field in dataclasses.fields(Token)][:3] == ["access_token", "expires_at", "obtained_at"]
    assert dataclasses.asdict(Point(1, 2)) == {"x": 1, "y": 2, "name": "p"}
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_copies_and_pickles():
    """A policy travels to another process; what holds a secret does not, and is its own copy."""
    for value in (Point(1), Point3(1), RefreshPolicy(window=60.0)):
        assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    for secret in (REQUEST, HTTPResponse(200, body=b"token"), Token("t", None, 0.0)):
        assert copy.copy(secret) is copy.deepcopy(secret) is secret
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)


def test_a_default_is_nobodys_to_change():
    """Headers that were not given are an empty mapping that can't be written to, and shared by nobody's mistake."""
    with pytest.raises(TypeError):
        HTTPRequest("GET", "https://api.example.com").headers["X"] = "1"
    assert HTTPResponse(200).headers == {}
