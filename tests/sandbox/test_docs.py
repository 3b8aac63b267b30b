"""docs/sandbox.md: its settings file, its test and its tables are those of the code."""

import re
from pathlib import Path

import pytest

from krauth_sandbox import MelomingEmulator, NaverEmulator, Sandbox
from krauth_sandbox._ground.settings import _TABLE, read_settings
from krauth_sandbox._server.control import _ACTIONS

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
TEXT = PAGE.read_text("utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_settings_file(tmp_path):
    """It is taken as it stands, and names everything that may stand in one."""
    assert set(read_settings(block("toml"))) == {argument for _, argument in _TABLE.values()}
    path = tmp_path / "sandbox.toml"
    path.write_text(block("toml"), "utf-8")
    assert Sandbox.from_file(path, naver_port=0, meloming_port=0).naver_client_id == "my-app"


def test_the_example(pytester):
    """The test on the page passes."""
    pytester.makepyfile(block("python"))
    pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--assert=plain"
    )  # two threads: CPython #106905.assert_outcomes(passed=1)


@pytest.mark.parametrize("emulator", [NaverEmulator, MelomingEmulator])
def test_every_switch_is_explained(emulator):
    """Each switch that is settable over HTTP is on the page."""
    names = [name for name, switch in emulator.switches().items() if switch.parse is not None]
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_every_action_is_explained():
    """Each control call is on the page."""
    assert [name for name in _ACTIONS if f"`{name}" not in TEXT and f"/{name}?" not in TEXT] == []


def test_no_row_is_left_over():
    """Each name in the first column of a table is an attribute of an emulator."""
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    known = {*dir(NaverEmulator), *dir(MelomingEmulator), *NaverEmulator.switches(), *MelomingEmulator.switches()}
    assert names <= known
