"""Korean: every text of the command line has a translation, and none is left over."""

import ast
import copy
import errno
import importlib.util
import os
import pickle
import re
import traceback
from pathlib import Path

import click
import pytest

import krauth
import krauth_cli
from krauth._values.korean import KINDS
from krauth._values.language import catalogue
from krauth_cli import _failure
from krauth_cli._korean import KOREAN

ROOT = Path(krauth_cli.__file__).parent
KOREAN_LOCALE = {"LANG": "ko_KR.UTF-8"}
SPOKEN = {"say", "Failure", "Misuse", "labelled", "translated"}


def words(node):
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.IfExp(body=yes, orelse=no):
            return [*words(yes), *words(no)]
    return []


def in_code():
    """Every text that the code hands to a function that translates."""
    found = set()
    for path in ROOT.glob("_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in SPOKEN:
                found.update(words(node.args[0]))
    return found


def commands(command, path=("krauth",)):
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))


@pytest.fixture
def shown(run, monkeypatch):
    """Every text that the help of every command translates, and whether there was a translation."""
    from krauth_cli import _main

    asked = set()

    def note(english):
        asked.add(english)
        return KOREAN.get(english, english)

    monkeypatch.setattr(_failure, "translated", note)
    for path in commands(_main.krauth):
        result = run(*path[1:], "--help", **KOREAN_LOCALE)
        assert result.exit_code == 0
    return asked


#: Names, numbers and examples, which are the same in both languages.
SAME = re.compile(r"[^A-Za-z]*|[\w<>=.]+|[A-Z_]+|\d.*|[\w.:/-]+|\s*|me|client_secret_.*|http\S+")


def test_every_help_is_korean(shown):
    """Headings, sentences, and what stands in brackets behind an option."""
    assert sorted(text for text in shown if text not in KOREAN and not SAME.fullmatch(text)) == []


def test_every_message_is_korean(shown):
    """What commands print, and what they say when something is wrong."""
    assert sorted(text for text in in_code() if text not in KOREAN and not SAME.fullmatch(text)) == []


def test_no_translation_is_left_over(shown):
    """Each is used: one that no text asks for belongs to a text that was changed."""
    labels = {
        "active",
        "expires",
        "from",
        "no",
        "now",
        "none",
        "required",
        "refreshable",
        "server",
        "signed in",
        "state",
    }
    labels |= {"store", "token", "user", "usable", "expired", "yes", "default", "env var"}
    constants = {getattr(_failure, name) for name in ("_WHY", "_OUTPUT", "_SYSTEM")}
    assert sorted(set(KOREAN) - shown - in_code() - labels - constants) == []


@pytest.mark.parametrize("english", KOREAN)
def test_both_languages_have_the_same_gaps(english):
    """What is filled in is filled in in both, and the Korean text is Korean."""
    gap = re.compile(r"{(\w+)}")
    assert sorted(gap.findall(english)) == sorted(gap.findall(KOREAN[english]))
    assert re.search("[가-힣]", KOREAN[english]) or not re.search("[a-z]{4}", gap.sub("", KOREAN[english]))


def tables():
    """Every remedy in the error tables of the library."""
    from krauth import _naver_signature, meloming, naver
    from krauth._oauth import authorization

    rules = [rule for table in (naver.ERRORS, meloming.ERRORS) for rule in table.values()]
    rules += [other for rule in rules if rule.by_header is not None for other in rule.by_header[1].values()]
    return {
        *(rule.remedy for rule in rules),
        *naver._FIELD_REMEDIES.values(),
        *(advice for _, advice in _naver_signature._FAULTS),
        *authorization._ERRORS.values(),
    }


@pytest.mark.parametrize("remedy", sorted(tables()))
def test_every_remedy_of_the_library_is_korean(remedy):
    """An operator with a Korean locale reads what to do in Korean."""
    assert any(english in remedy for english in catalogue()), remedy


@pytest.fixture(scope="module")
def messages():
    """Every message in the source of the library, as the page of errors lists them: class and text."""
    spec = importlib.util.spec_from_file_location("make_docs", Path(__file__).parents[2] / "tools" / "make_docs.py")
    make_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_docs)
    return make_docs.messages()


def test_every_message_about_a_setting_has_a_korean_remedy(messages):
    """A wrong setting is mended by the developer who made it: the remedy says how, and not only that."""
    settings = {text for kind, text in messages if kind == "ConfigurationError"}
    assert sorted(text for text in settings if not any(english in text for english in catalogue())) == []


def test_no_remedy_is_left_over(messages):
    """Each belongs to a message, or to a row of the error tables."""
    source = "".join(path.read_text(encoding="utf-8") for path in ROOT.parent.glob("*krauth*/**/*.py"))
    texts = [*tables(), *(text for _, text in messages)]
    left = [english for english in catalogue() if not any(english in text for text in texts)]
    composed = {f"{name} is empty" for name in ("client_id", "user")}  # by `require_text`
    composed.add(os.strerror(errno.EMFILE))  # the system's words
    assert {english for english in left if source.count(english) < 2} == composed  # once is the catalogue itself


def test_korean_text_is_loaded_when_it_is_asked_for():
    """No module of the library imports a Korean catalogue with itself: most programs never need one."""
    for path in (ROOT.parent / "krauth").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                assert "korean" not in " ".join([node.module or "", *(alias.name for alias in node.names)]), path


def test_an_exception_carries_the_korean_remedy(monkeypatch):
    """Where the locale is Korean, as a note below its English text; a copy carries it once."""
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert not hasattr(krauth.InvalidGrantError("spent"), "__notes__")
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    for error, note in (
        (
            krauth.InvalidGrantError("spent"),
            "인가 코드나 리프레시 토큰이 더 이상 유효하지 않습니다. 다시 로그인하십시오.",
        ),
        (krauth.ConfigurationError("refresh must be a krauth.RefreshPolicy"), "refresh=RefreshPolicy(…)로 넘기십시오."),
    ):
        for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert one.__notes__ == [note]
            assert "".join(traceback.format_exception_only(one)).splitlines()[-1] == note
            assert not re.search("[가-힣]", str(one))


def test_every_class_of_errors_has_a_remedy():
    """Also an error that is in no table ends with a next step."""
    kinds = {name for name in krauth.__all__ if isinstance(getattr(krauth, name), type)}
    assert {name for name in kinds if issubclass(getattr(krauth, name), krauth.KrauthError)} == set(KINDS)


@pytest.mark.parametrize(
    ("arguments", "change", "words"),
    [
        (["token", "naver"], {"NAVER_COMMERCE_CLIENT_ID": ""}, "환경 변수가 설정되어 있지 않습니다"),
        (["token", "naver"], {"NAVER_COMMERCE_CLIENT_SECRET": "$2a$04$" + "x" * 21 + "u"}, "전자서명이 거절되었습니다"),
        (["token", "naver"], {"NAVER_COMMERCE_ACCOUNT_ID": "nobody"}, "판매자가 거절되었습니다"),
        (["token", "meloming"], {"MELOMING_CLIENT_SECRET": "wrong"}, "client_id와 시크릿"),
        (["token", "meloming"], {"MELOMING_BASE_URL": "http://127.0.0.1:1"}, "토큰 서버에 연결하지 못했습니다"),
        (["token", "naver"], {"KRAUTH_STORE": "nope://x"}, "krauth stores로"),
        (["sign"], {"NAVER_COMMERCE_CLIENT_ID": ""}, "옵션이 필요합니다"),
        (["tokens", "list"], {}, "'--store' 옵션이 필요합니다"),
        (["whoami"], {}, "서버를 지정하십시오: krauth whoami meloming"),
        (["tokn"], {}, "혹시 krauth token 명령입니까?"),
        (["whoami", "meloming"], {"KRAUTH_STORE": "sqlite:///:memory:x"}, "krauth login meloming"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_in_korean(run, env, tmp_path, monkeypatch, arguments, change, words):
    """The English message stays, for a search engine and a report; the remedy below it is Korean."""
    monkeypatch.chdir(tmp_path)
    result = (
        run(*arguments, **env, **KOREAN_LOCALE, **change)
        if not change.keys() & env.keys()
        else run(*arguments, **{**env, **KOREAN_LOCALE, **change})
    )
    assert result.exit_code in (1, 2)
    assert words in result.stderr


@pytest.mark.parametrize("group", [[], ["token"]])
def test_a_group_without_a_command_shows_its_help_once(run, group):
    """In Korean as in English: the help, and no error."""
    result = run(*group, **KOREAN_LOCALE)
    assert result.output.count("사용법:") == 1
    assert "오류" not in result.output


def test_output_in_korean(run, env):
    """What a command prints about a token."""
    out = run("token", "naver", **env, **KOREAN_LOCALE).stdout
    assert re.search(r"^토큰     .{4}… \(\d+자\)  \(--show로 출력\)$", out, re.MULTILINE)
    assert re.search(r"^만료     2시간 59분 후, \d{4}-", out, re.MULTILINE)
