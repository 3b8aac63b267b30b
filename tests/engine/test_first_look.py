"""The look at the installed distributions that the first event begins: no observer is missed, and none costs little."""

import importlib.metadata
import logging
import os
import sys
import threading
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path
from types import SimpleNamespace

import pytest

from krauth import TokenEvent, _plugins, hookimpl
from krauth._auth import telling
from krauth._engine import process

from ._rig import Rig

OURS = "[krauth]\nkrauth_stores = krauth_stores\n"
OTHER = "[krauth]\nalarm = alarm\n"
OBSERVER = """
from krauth import hookimpl
seen = []
@hookimpl
def krauth_token_event(event):
    seen.append(event.key)
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A process that has loaded no plugin, and an empty folder, the only one on its path that may hold distributions."""
    monkeypatch.setattr(_plugins, "_loaded", None)
    monkeypatch.setattr(_plugins, "_none_installed", False)
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if _is_pythons(finder)])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *filter(_holds_none, sys.path)])
    return tmp_path


def _holds_none(folder):
    return Path(folder).is_dir() and not [*Path(folder).glob("*-info")]


def _is_pythons(finder):
    return finder is PathFinder or not hasattr(finder, "find_distributions")


def put(folder, text, info="alarm-1.0.dist-info"):
    """Lay down a distribution with these entry points."""
    (folder / info).mkdir(parents=True)
    (folder / info / "METADATA").write_text(f"Name: {info}")
    (folder / info / "entry_points.txt").write_bytes(text.encode())


def event(key="who"):
    return TokenEvent("obtained", "oauth2", key, 1.0)


class Later:
    """Runs tasks when the test says so."""

    def __init__(self):
        self.tasks = []

    def submit(self, task, lane, urgent=False):
        self.tasks.append(task)

    def run(self):
        while self.tasks:
            self.tasks.pop(0)()


SEEN = {
    "dist-info": lambda folder: put(folder, OTHER),
    "upper case": lambda folder: put(folder, OTHER, "Alarm-1.0.DIST-INFO"),
    "egg-info": lambda folder: put(folder, OTHER, "alarm.egg-info"),
    "beside ours": lambda folder: [put(folder, OURS, "a-1.dist-info"), put(folder, OTHER)],
    "with ours": lambda folder: put(folder, OURS + "alarm = alarm\n"),
    "under our name": lambda folder: put(folder, "[krauth]\nkrauth_stores = alarm\n"),
    "among others": lambda folder: put(folder, "[console_scripts]\na = a:b\n\n" + OTHER + "[z]\na = a\n"),
    "blanks": lambda folder: put(folder, "  [krauth]\t\r\n\r\n# none\r\n  alarm=alarm:it [extra]\r\n"),
    "brackets": lambda folder: put(folder, "[[krauth]]\nalarm = alarm\n"),
    "half a group": lambda folder: put(folder, "[krauth]\n[z = alarm\n"),
    "a line of Unicode": lambda folder: put(folder, "[z]\n#\u2028[krauth]\x0calarm = alarm"),
    "a link": lambda folder: [
        put(folder / "far", OTHER),
        (folder / "b.egg-info").symlink_to(folder / "far" / "alarm-1.0.dist-info"),
    ],
}


@pytest.mark.parametrize("layout", SEEN.values(), ids=SEEN)
def test_what_importlib_metadata_finds_is_seen(layout, fresh):
    """However a distribution names a plugin so that Python finds it: the look finds it, too."""
    layout(fresh)
    points = importlib.metadata.entry_points(group="krauth")
    assert {point.value for point in points} - {"krauth_stores"}
    assert _plugins._may_find_more()


NOT_SEEN = {
    "nothing": lambda folder: None,
    "ours": lambda folder: [put(folder, OURS), put(folder, OURS.replace(" ", ""), "krauth.egg-info")],
    "another group": lambda folder: put(
        folder, "[pytest11]\nkrauth = krauth.pytest_plugin\n[krauth.providers]\na = a\n"
    ),
    "a comment": lambda folder: put(folder, "[krauth]\n# alarm = alarm\n"),
    "no entry points": lambda folder: (folder / "alarm-1.0.dist-info").mkdir(),
    "egg-info file": lambda folder: (folder / "alarm.egg-info").write_text(OTHER),
    "no distribution": lambda folder: put(folder, OTHER, "alarm"),
    "no such folder": lambda folder: sys.path.append(str(folder / "python311.zip")),
}


@pytest.mark.parametrize("layout", NOT_SEEN.values(), ids=NOT_SEEN)
def test_where_there_is_no_other_plugin_none_is_looked_for(layout, fresh):
    """What is no plugin, and the plugin that comes with krauth, load nothing."""
    layout(fresh)
    assert {point.value for point in importlib.metadata.entry_points(group="krauth")} <= {"krauth_stores"}
    assert not _plugins._may_find_more()


def zipped(folder, monkeypatch):
    with zipfile.ZipFile(folder / "app.pyz", "w") as archive:
        archive.writestr("alarm-1.0.dist-info/entry_points.txt", OTHER)
    sys.path.append(str(folder / "app.pyz"))


def here(folder, monkeypatch):
    put(folder / "project", OTHER)
    monkeypatch.chdir(folder / "project")
    sys.path[:] = [""]


def egg(folder, monkeypatch):
    put(folder / "alarm-1.0.egg", OTHER, "EGG-INFO")
    sys.path.append(str(folder / "alarm-1.0.egg"))


def coded(folder, monkeypatch):
    put(folder / "project", OURS)
    sys.path.append(os.fsencode(folder / "project"))


class Finder:
    def find_distributions(self, context=None):
        return iter(())


UNUSUAL = {
    "zipapp": zipped,
    "the working directory": here,
    "egg": egg,
    "a path that is no text": coded,
    "a finder": lambda folder, monkeypatch: sys.meta_path.append(Finder()),
    "PyInstaller": lambda folder, monkeypatch: monkeypatch.setattr(sys, "frozen", True, raising=False),
    "Nuitka": lambda folder, monkeypatch: monkeypatch.setitem(vars(_plugins), "__compiled__", ()),
    "a test": lambda folder, monkeypatch: monkeypatch.setattr(importlib.metadata, "entry_points", lambda **group: []),
    "unreadable": lambda folder, monkeypatch: monkeypatch.setattr("os.listdir", denied),
}


def denied(folder):
    raise PermissionError(folder)


@pytest.mark.parametrize("arrange", UNUSUAL.values(), ids=UNUSUAL)
def test_where_anything_is_unusual_plugins_are_looked_for(arrange, fresh, monkeypatch):
    """A look that can't be sure leaves it to `importlib.metadata`."""
    arrange(fresh, monkeypatch)
    assert _plugins._may_find_more()


def test_our_plugin_observes_nothing(monkeypatch):
    """The plugin that comes with krauth, which the look passes over, has no observer."""
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **group: [])
    manager = _plugins.Plugins().manager
    assert manager.has_plugin("krauth_stores")
    assert not manager.hook.krauth_token_event.get_hookimpls()


def test_without_an_observer_events_load_nothing_and_cost_nothing(fresh, monkeypatch, caplog):
    """After the first event no other is made or handed to a thread; the log is written when it is on."""
    monkeypatch.setattr(_plugins, "Plugins", None)
    caplog.set_level(logging.WARNING, "krauth")
    rig = Rig()
    rig.get()
    rig.workers.run()
    assert _plugins._none_installed
    monkeypatch.setattr("krauth._engine.process.TokenEvent", None)
    monkeypatch.setattr("krauth._values.event.TokenEvent", None)
    assert rig.get(refused="access-1") == "access-2"
    telling.emit(SimpleNamespace(_source=None, _origins=()), "refused", "of an API key")
    monkeypatch.undo()
    monkeypatch.setattr(_plugins, "_loaded", None)
    monkeypatch.setattr(_plugins, "_none_installed", True)
    caplog.set_level(logging.INFO, "krauth")
    later = Later()
    process.publish(event("the line"), later)
    assert not later.tasks
    assert "the line: obtained a token" in caplog.text


def test_events_during_the_look_are_delivered_in_order(fresh, monkeypatch):
    """An installed observer is told of every event from the first on, also of those that came while it was looked for."""
    put(fresh, OTHER)
    (fresh / "alarm.py").write_text(OBSERVER)
    looking, go, looked = threading.Event(), threading.Event(), _plugins._may_find_more
    monkeypatch.setattr(_plugins, "_may_find_more", lambda: [looking.set(), go.wait(20), looked()][-1])
    monkeypatch.setattr(process, "tellers", process._make_tellers())
    process.publish(event("0"))
    assert looking.wait(20)
    for number in range(1, 5):
        process.publish(event(str(number)))
    go.set()
    done = threading.Event()
    process.tellers.submit(done.set, "observers")
    assert done.wait(20)
    assert sys.modules.pop("alarm").seen == ["0", "1", "2", "3", "4"]


def test_an_observer_that_is_registered_later_is_told_of_later_events(fresh):
    """That no observer is installed says nothing about those that a program registers by hand."""
    seen, later = [], Later()

    class Observer:
        @hookimpl
        def krauth_token_event(self, event):
            seen.append(event.key)

    process.publish(event("before"), later)
    later.run()
    assert not _plugins.may_be_observed()
    put(fresh, OTHER)  # is installed while the program runs
    process.publish(event("unheard"), later)
    _plugins.register_plugin(Observer())
    process.publish(event("after"), later)
    later.run()
    assert seen == ["after"]
