"""The signature of Naver's token requests: vectors of other implementations, and what is refused."""

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krauth import ConfigurationError
from krauth._naver_signature import canonical_salt, check_password, check_secret
from krauth.naver import NaverCredentials, sign

DATA = Path(__file__).parent.parent / "data" / "naver_signatures.json"
VECTORS = json.loads(DATA.read_text(encoding="utf-8"))["vectors"]
IMPLEMENTATIONS = sorted({vector["implementation"] for vector in VECTORS})

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
NOW = 1643961623299
ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def test_published_vector():
    """The sample in Naver's documentation comes out, although current bcrypt refuses its secret as it stands."""
    signature = sign("aaaabbbbcccc", "$2a$10$abcdefghijklmnopqrstuv", 1643961623299)
    assert signature == "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy"


def test_vectors_are_all_there():
    """The table that proves agreement holds every implementation and hundreds of rows."""
    assert IMPLEMENTATIONS == ["bcrypt", "bcryptjs", "jbcrypt", "php"]
    assert len(VECTORS) == 447
    assert {vector["client_secret"][-1] for vector in VECTORS} == set(ALPHABET)
    assert {vector["client_secret"][:4] for vector in VECTORS} == {"$2a$", "$2b$", "$2y$"}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_other_implementations(implementation, monkeypatch):
    """Every signature that Node, PHP and Java made comes out the same here."""
    import bcrypt

    known = {}  # the implementations share most of their inputs, and cost 10 is slow

    def remember(password, salt, hashpw=bcrypt.hashpw):
        if (password, salt) not in known:
            known[password, salt] = hashpw(password, salt)
        return known[password, salt]

    monkeypatch.setattr(bcrypt, "hashpw", remember)
    rows = [vector for vector in VECTORS if vector["implementation"] == implementation]
    assert len(rows) >= 87
    for row in rows:
        assert sign(row["client_id"], row["client_secret"], row["timestamp"]) == row["signature"], row


@given(st.lists(st.sampled_from("./$" + ALPHABET[2:]), min_size=60, max_size=60).map("".join))
def test_both_base64_alphabets_agree(text):
    """Standard and URL-safe Base64 are the same for every bcrypt string, 80 characters and never padded."""
    standard = base64.b64encode(text.encode())
    assert standard == base64.urlsafe_b64encode(text.encode())
    assert len(standard) == 80
    assert b"=" not in standard


@settings(max_examples=25, deadline=None)
@given(
    client_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=58),
    salt=st.text(st.sampled_from(ALPHABET), min_size=22, max_size=22),
    timestamp=st.integers(10**12, 10**13 - 1),
    prefix=st.sampled_from(["$2a$", "$2b$", "$2y$"]),
)
def test_any_signature(client_id, salt, timestamp, prefix):
    """Any well-formed secret and client_id are signed: 80 characters that decode to a hash under that very salt."""
    signature = sign(client_id, f"{prefix}04${salt}", timestamp)
    assert len(signature) == 80
    raw = base64.b64decode(signature, validate=True).decode("ascii")
    assert raw == base64.urlsafe_b64decode(signature).decode("ascii")
    assert len(raw) == 60
    assert raw[:28] == f"{prefix}04${salt}"[:28]


def test_spare_bits_are_ignored():
    """The 16 characters that differ in the four spare bits of a salt's last character make the same signature."""
    for first in (0, 16, 32, 48):
        group = ALPHABET[first : first + 16]
        assert {canonical_salt(SECRET[:-1] + last) for last in group} == {(SECRET[:-1] + ALPHABET[first]).encode()}
        assert len({sign("id", SECRET[:-1] + last, NOW) for last in (group[0], group[9], group[15])}) == 1
    assert len({sign("id", SECRET[:-1] + last, NOW) for last in ".Oeu"}) == 4


#: A wrong argument → a word its message has to hold.
MALFORMED_SECRETS = {
    "": "empty",
    None: "empty",
    # `export SECRET="$2a$04$abc…"`: the shell reads $2, $0 and a name.
    "a4bcdefghijklmnopqrstuu": "single quotes",
    "a4": "single quotes",
    "$2a$04$": "single quotes",
    SECRET[:-1]: "29 characters",
    SECRET + "u": "29 characters",
    SECRET + "\n": "strip",
    " " + SECRET: "strip",
    SECRET + "\r\n": "strip",
    "\ufeff" + SECRET: "29 characters",
    SECRET.replace("$2a$", "$2x$"): "bcrypt salt",
    SECRET.replace("$2a$", "$2$"): "bcrypt salt",
    SECRET.replace("$2a$", "$3a$"): "bcrypt salt",
    SECRET.replace("$04$", "$03$"): "bcrypt salt",
    SECRET.replace("$04$", "$32$"): "bcrypt salt",
    SECRET.replace("$04$", "$4$") + "u": "bcrypt salt",
    SECRET.replace("abc", "ab+"): "bcrypt salt",
    SECRET.replace("abc", "ab가"): "bcrypt salt",
    SECRET.replace("abc", "a c"): "bcrypt salt",
    SECRET[:-1] + "\0": "NUL",
    f"'{SECRET}'": "without quotes",
    f'"{SECRET}"': "without quotes",
    f"`{SECRET}`": "without quotes",
    f"\u201c{SECRET}\u201d": "without quotes",
    f"'{SECRET}": "without quotes",
    f"{SECRET}'": "without quotes",
    SECRET.replace("$", "\\$"): "without a backslash",
    SECRET.replace("$", "$$"): "docker compose",
    SECRET.replace("$", "%24"): "API center",
    SECRET[:20]: "20 of the 29 characters",
    SECRET[:4]: "4 of the 29 characters",
    "$2a$04": "6 of the 29 characters",  # docker compose took $abcdefghijklmnopqrstuu for a variable
    SECRET * 2: "58 characters",
    "a$04$abcdefghijklmnopqrstuu": "lost its beginning",  # a shell took $2
    SECRET[7:]: "lost its beginning",
    SECRET.encode(): "must be a string, not bytes",
    5: "must be a string, not int",
}


@pytest.mark.parametrize("secret", MALFORMED_SECRETS, ids=ascii)
def test_malformed_secret(secret, assert_hidden):
    """A secret that can't be one is refused with advice, and appears in no message and no local variable of ours."""
    with pytest.raises(ConfigurationError, match="client_secret") as caught:
        sign("client", secret, NOW)
    assert MALFORMED_SECRETS[secret] in str(caught.value)
    text = secret.decode() if isinstance(secret, bytes) else str(secret)
    if len(text) > 19:
        assert_hidden(caught.value, text.strip("\0\r\n '"))
    advice = {"single quotes", "without quotes", "without a backslash", "docker compose"}
    assert len([word for word in advice if word in str(caught.value)]) <= 1, "advice that contradicts itself"


@pytest.mark.parametrize(
    ("client_id", "secret", "word"),
    [
        (SECRET, "client", "swapped"),
        (SECRET, SECRET, "swapped"),
        (SECRET[:20], "client", "swapped"),
        ("'client'", SECRET, "without quotes"),
        ('client"', SECRET, "without quotes"),
    ],
)
def test_faults_of_a_client_id(client_id, secret, word, assert_hidden):
    """A client_id that is the secret, or has quotes around it, is refused as that, and shown nowhere."""
    makers = [lambda: NaverCredentials(client_id, secret)]
    if word == "swapped":
        makers.append(lambda: sign(client_id, secret, NOW))
    for make in makers:
        with pytest.raises(ConfigurationError, match="client_id") as caught:
            make()
        assert word in str(caught.value)
        assert_hidden(caught.value, client_id)


def test_bcrypts_own_error_is_not_shown(monkeypatch, assert_hidden):
    """Should bcrypt refuse a salt after all, its error, which may quote the salt, is not even kept."""
    import bcrypt

    def refuse(password, salt):
        raise ValueError(f"Invalid salt {salt!r}")

    monkeypatch.setattr(bcrypt, "hashpw", refuse)
    with pytest.raises(ConfigurationError) as caught:
        sign("client", SECRET, NOW)
    assert_hidden(caught.value, SECRET, SECRET[7:-1])


@pytest.mark.parametrize(
    ("timestamp", "word"),
    [
        (1643961623, "in seconds"),
        (int(time.time()), "in seconds"),
        (1643961623299.0, "whole number"),
        (1643961623.299, "whole number"),
        ("1643961623299", "whole number"),
        (None, "whole number"),
        (True, "whole number"),
        (0, "13 digits"),
        (-1643961623299, "13 digits"),
        (10**12 - 1, "13 digits"),
        (10**13, "13 digits"),
        (1643961623299_000, "13 digits"),
    ],
)
def test_bad_timestamp(timestamp, word, assert_hidden):
    """A timestamp that is not a whole number of 13 digits is refused with the expression that makes a right one."""
    with pytest.raises(ConfigurationError, match="timestamp") as caught:
        sign("client", SECRET, timestamp)
    assert word in str(caught.value)
    assert "int(time.time() * 1000)" in str(caught.value)
    assert_hidden(caught.value, SECRET, SECRET[7:])


@pytest.mark.parametrize("timestamp", [10**12, 10**13 - 1, 1643961623299])
def test_thirteen_digits(timestamp):
    """Every timestamp of 13 digits is signed."""
    assert check_password("client", timestamp) == f"client_{timestamp}".encode()


@pytest.mark.parametrize("client_id", ["a" * 58, "가" * 19 + "a", "é" * 29])
def test_longest_client_id(client_id):
    """72 bytes, counted in UTF-8, are signed; one byte more, which bcrypt would not read, is refused."""
    assert len(check_password(client_id, NOW)) == 72
    with pytest.raises(ConfigurationError, match=r"client_id is too long.* 73 bytes.*72") as caught:
        sign(client_id + "b", SECRET, NOW)
    assert client_id not in str(caught.value)


@pytest.mark.parametrize(
    ("client_id", "word"),
    [
        ("", "empty"),
        (None, "empty"),
        ("cli\0ent", "NUL"),
        ("\0", "NUL"),
        ("client\n", "strip"),
        (" client", "strip"),
        ("cli\nent", "line break"),
        ("cli\ud800ent", "control character"),
        (b"client", "not bytes"),
        (7, "not int"),
    ],
)
def test_bad_client_id(client_id, word, assert_hidden):
    """A client_id that no server could verify is refused by name."""
    with pytest.raises(ConfigurationError, match="client_id") as caught:
        sign(client_id, SECRET, NOW)
    assert word in str(caught.value)
    assert_hidden(caught.value, SECRET)


def test_checked_secret_is_hidden():
    """A secret that was checked is given out by `reveal()` alone."""
    secret = check_secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {secret:}"
    assert secret.reveal() == SECRET
