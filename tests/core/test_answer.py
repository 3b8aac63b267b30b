"""Bounds of one token request: deadlines, timeouts that are asked for anew, bodies that are decoded step by step."""

import gzip
import socket
import zlib

import pytest

from krauth import TokenTransportError
from krauth._auth import answer
from krauth._auth.answer import LATE, MAX_BYTES, Collector, Deadline, TimeLeft


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(answer, "monotonic", lambda: now[0])
    return now


def test_a_deadline_ends_waiting(clock):
    """Connecting and sending end with the deadline, and what is left shrinks with the clock."""
    deadline = Deadline(10)
    assert deadline.left() == deadline.left_to_read() == 10
    clock[0] += 7.5
    assert deadline.left() == deadline.left_to_read() == 2.5
    assert not deadline.is_over
    clock[0] += 2.5
    assert deadline.is_over
    with pytest.raises(TimeoutError):
        deadline.left()


def test_a_deadline_does_not_end_reading_what_has_arrived(clock):
    """The first look after the deadline, however late, begins a moment in which what is there is read; then it ends."""
    deadline = Deadline(10)
    clock[0] += 3600  # this process was stopped
    assert deadline.left_to_read() == 0
    clock[0] += LATE / 2
    assert deadline.left_to_read() == 0
    clock[0] += LATE
    with pytest.raises(TimeoutError):
        deadline.left_to_read()
    with pytest.raises(TimeoutError):
        deadline.left_to_read()


def test_time_left_is_a_number_for_sockets(clock):
    """`settimeout` takes it, rounds up, and asks anew each time."""
    deadline = Deadline(10)
    left = TimeLeft(deadline.left_to_read)
    with socket.socket() as sock:
        sock.settimeout(left)
        assert sock.gettimeout() == 10
        clock[0] += 8.5
        sock.settimeout(left)
        assert sock.gettimeout() == 2
        clock[0] += 5
        sock.settimeout(left)
        assert sock.gettimeout() == 0
        clock[0] += 5
        with pytest.raises(TimeoutError):
            sock.settimeout(left)


def test_time_left_is_a_number_for_everything_else(clock):
    """Transports of users reckon with timeouts: it compares, adds and prints like the number that it is."""
    left = TimeLeft(Deadline(10).left)
    assert left > 9.5
    assert left <= 10
    assert left == 10
    assert min(left, 3) == 3
    assert left + 1 == 11 == 1 + left
    assert left * 2 == 20
    assert left / 4 == 2.5
    assert 12 - left == 2
    assert float(left) == 10.0
    assert int(left) == round(left) == 10
    assert f"{left:.1f}" == "10.0"
    assert left
    assert isinstance(hash(left), int)


def decoded(body, coding):
    collector = Collector(Deadline(10))
    for start in range(0, len(body), 1000):
        collector.add(body[start : start + 1000])
    return collector.decoded({"Content-Encoding": coding})


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b'{"a": 1}', ""),
        (b'{"a": 1}', "identity"),
        (gzip.compress(b'{"a": 1}'), "gzip"),
        (gzip.compress(b'{"a": 1}'), "X-GZIP"),
        (zlib.compress(b'{"a": 1}'), "deflate"),
        (zlib.compress(b'{"a": 1}', wbits=-15), "deflate"),
        (gzip.compress(b'{"a"') + gzip.compress(b": 1}"), "gzip"),
        (zlib.compress(gzip.compress(b'{"a": 1}')), "gzip, deflate"),
        (gzip.compress(b'{"a": 1}'), "identity , gzip,"),
    ],
)
def test_codings_are_undone(body, coding):
    """gzip and deflate are understood, one in the other too, in any spelling."""
    assert decoded(body, coding) == b'{"a": 1}'


def test_no_body_has_no_coding():
    """A 204 or an empty answer may name a coding."""
    assert decoded(b"", "br") == b""


@pytest.mark.parametrize(
    ("body", "coding", "said"),
    [
        (b"x" * 20, "gzip", "not compressed as it says"),
        (gzip.compress(b"x" * 5000)[:-9], "gzip", "not whole"),
        (b"x" * 20, "br", r"\(br\)"),
        (b"x" * 20, "zstd\x1b[2J", r"\(zstd.x1b\[2j\)"),
        (b"x" * 20, "gzip, gzip, gzip, gzip, gzip", "gzip, gzip"),
        (gzip.compress(bytes(MAX_BYTES + 1)), "gzip", "1 MiB"),
        (gzip.compress(bytes(MAX_BYTES)) + gzip.compress(b"x"), "gzip", "1 MiB"),
        (gzip.compress(gzip.compress(bytes(MAX_BYTES + 1))), "gzip, gzip", "1 MiB"),
        (bytes(MAX_BYTES + 1), "", "1 MiB"),
    ],
)
def test_what_cannot_be_decoded(body, coding, said):
    """A body that is too large, broken, or in a coding that was not asked for is refused, and not asked for again."""
    with pytest.raises(TokenTransportError, match=said) as caught:
        decoded(body, coding)
    assert not caught.value.transient


def test_exactly_as_much_as_is_allowed():
    """A body of 1 MiB, compressed or not, is taken."""
    assert len(decoded(bytes(MAX_BYTES), "")) == len(decoded(gzip.compress(bytes(MAX_BYTES)), "gzip")) == MAX_BYTES
