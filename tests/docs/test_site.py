"""The documentation site: both languages have the same pages, in the same order, and what is made from code is current."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
assert spec is not None
assert spec.loader is not None
make_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_docs)
PAGES = make_docs.pages()
#: Pages that are in English only.
ENGLISH_ONLY = {"protocol"} - {path.name.removesuffix(".ko.md") for path in DOCS.glob("*.ko.md")}
TRANSLATED = [name for name in PAGES if name not in ENGLISH_ONLY]


def code(text: str) -> list[str]:
    """The code blocks, without what a translation may change: comments, and strings."""
    return [re.sub(r'""".*?"""|".*?"|#.*', "", block, flags=re.DOTALL) for _, block in BLOCK.findall(text)]


def outline(text: str) -> list[int]:
    """The levels of the headings."""
    return [len(marks) for marks in re.findall(r"^(#+) ", BLOCK.sub("", text), re.MULTILINE)]


def both(name: str) -> tuple[str, str]:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8"), (DOCS / f"{name}.ko.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    """No page is left out, and none is named that is not there."""
    there = {path.name.removesuffix(".md") for path in DOCS.glob("*.md") if not path.name.endswith(".ko.md")}
    assert set(PAGES) == there
    assert {f"{name}.ko.md" for name in TRANSLATED} == {path.name for path in DOCS.glob("*.ko.md")}


@pytest.mark.parametrize("name", [name for name in TRANSLATED if name != "guarantees"])
def test_both_languages_say_the_same(name):
    """Headings of the same levels, the same code, as many rows in tables."""
    english, korean = both(name)
    assert outline(english) == outline(korean)
    assert code(english) == code(korean)
    assert len(re.findall(r"^\|", english, re.MULTILINE)) == len(re.findall(r"^\|", korean, re.MULTILINE))


@pytest.mark.parametrize("name", ["vendors", "security"])
def test_both_languages_name_the_same_proofs(name):
    """Row by row, the tests in the last column agree, and so does how sure a fact is."""
    told = re.compile(r"`(test_\w+::test_\w+)`|\| ([SDMR](?:, [SDMR])*) \|")
    english, korean = (
        [told.findall(line) for line in text.splitlines() if line.startswith("|")] for text in both(name)
    )
    assert english == korean


def test_the_guarantees_in_korean():
    """Each row of the Korean page is a row of the English one, by its proof; new rows may follow a little later."""
    english, korean = (
        [line.rpartition("| `test_")[2] for line in text.splitlines() if "| `test_" in line]
        for text in both("guarantees")
    )
    assert set(korean) <= set(english)
    assert len(korean) >= len(english) - 10


@pytest.mark.parametrize("name", TRANSLATED)
def test_the_korean_page_is_korean(name):
    """It leads to Korean pages, speaks as documentation does, and is not English."""
    _, korean = both(name)
    links = re.findall(r"\]\(([\w-]+)\.md\)", korean)
    assert links == []
    prose = BLOCK.sub("", korean)
    assert re.findall(r"[가-힣]+(?:세요|해요|예요|에요|네요)\b", prose) == []
    assert len(re.findall("[가-힣]", prose)) > 50
    # One word for each thing: 시크릿, 반환, 리다이렉트, 인자, API 키, 워커 프로세스.
    assert re.findall(r"비밀(?!번호)|돌려줍니다|돌려드립니다|리디렉션|인수|API Key|작업 프로세스", prose) == []


def test_both_readmes_hold_the_same_examples():
    """The Korean README shows what the English one shows."""
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    assert code(english) == code(korean)
    assert outline(english) == outline(korean)


@pytest.mark.parametrize(
    "word",
    ["두드리지", "제자리에서만", "비밀은", "많아야", "돌려드립니다", "작업 프로세스", "## 한계", "API Key", "비밀키"],
)
def test_words_of_the_korean_readme(word):
    """One word for each thing: API 키, 시크릿, 워커 프로세스, 제약 사항, 반환합니다."""
    assert word not in (ROOT / "README.ko.md").read_text(encoding="utf-8")


def test_what_is_made_from_the_code_is_current():
    """Errors, events, figures and llms.txt: `python tools/make_docs.py` would change nothing."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_code_of_a_vendor_is_explained():
    """The page of errors has a row for each row of the tables, in both languages."""
    from krauth import meloming, naver

    for text in both("errors"):
        for _, name in (*naver.ERRORS, *meloming.ERRORS):
            assert name is None or f"`{name}`" in text


def test_every_variable_is_on_its_page():
    """Each environment variable that the source reads is documented."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").glob("*/**/*.py"))
    read = set(re.findall(r"\b(?:NAVER_COMMERCE|MELOMING|KRAUTH)_[A-Z_]+[A-Z]\b", source))
    page, korean = both("environment")
    assert sorted(name for name in read if f"`{name}`" not in page) == []
    assert sorted(name for name in read if f"`{name}`" not in korean) == []
