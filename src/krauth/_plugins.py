"""Plugins: found by entry point when first needed, registered with pluggy, asked for stores and told of events.

To find and to load them takes a tenth of the instructions of a cold start, and few programs have an observer. So the
first event does not load them where `_may_find_more` shows that there is none.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from typing import TYPE_CHECKING

from ._values.event import logger
from ._values.exceptions import ConfigurationError, KrauthError, without_frames
from ._values.guard import MAX_WORDS, clean
from .stores import MemoryStore, TokenStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._values.event import TokenEvent

    StoreFactory = Callable[[str], TokenStore]

GROUP = "krauth"
#: The stores that come with krauth. They are found by entry point as well, but programs that are packed into one file
#: (PyInstaller, Nuitka, zipapp) often lack the metadata in which entry points are.
SHIPPED = "krauth_stores"

#: The store of auth objects that name none.
default_store = MemoryStore()
_opened: dict[str, TokenStore] = {"memory://": default_store}
_lock = threading.RLock()
_loaded: Plugins | None = None
#: Whether a look at the installed distributions has shown that none of them has an observer. It is not repeated.
_none_installed = False


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # a thread that stayed in the parent may hold it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Plugins:
    """The installed plugins, the URL schemes of their stores, and for each broken plugin the reason."""

    def __init__(self) -> None:
        import importlib
        import importlib.metadata

        import pluggy

        from . import hookspecs

        self.manager = pluggy.PluginManager("krauth")
        self.manager.add_hookspecs(hookspecs)
        self.factories: dict[str, tuple[StoreFactory, str]] = {}
        #: scheme → all plugins that claim it, where more than one does
        self.disputed: dict[str, list[str]] = {}
        #: plugin → why it can't be used
        self.broken: dict[str, str] = {}
        self._bind("memory", lambda url: default_store, "krauth")
        for entry_point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name):
            if entry_point.name in self.broken or self.manager.has_plugin(entry_point.name):
                continue  # the same distribution, found twice on the path
            try:
                self.register(entry_point.load(), entry_point.name)
            except Exception as error:  # noqa: BLE001  one plugin's exception must not break the others
                self.broken[entry_point.name] = clean(f"{type(error).__name__}: {error}", MAX_WORDS)
        if SHIPPED not in self.broken and not self.manager.has_plugin(SHIPPED):
            with contextlib.suppress(ModuleNotFoundError):
                self.register(importlib.import_module(SHIPPED), SHIPPED)

    def register(self, plugin: object, name: str | None = None) -> None:
        """Register a plugin: a module, class or object with `hookimpl` functions.

        Raises:
            ConfigurationError: It implements no hook, one that does not exist, or one in a way that can't be called.
        """
        import pluggy

        from . import hookspecs

        called = name or type(plugin).__name__
        try:
            name = self.manager.register(plugin, name)
            self.manager.check_pending()
            fault = None if name is None else self._fault(plugin)
        except pluggy.PluginValidationError as error:
            fault = str(error)
        if fault is not None:
            if self.manager.is_registered(plugin):
                self.manager.unregister(plugin)
            known = ", ".join(hook for hook in vars(hookspecs) if hook.startswith("krauth_"))
            raise ConfigurationError(f"plugin {called!r}: {fault}; the hooks are {known}")
        if name is None:  # pluggy has blocked it
            return
        hook = self.manager.subset_hook_caller(
            "krauth_register_token_stores",
            [other for other in self.manager.get_plugins() if other is not plugin],
        )
        hook(register=functools.partial(self._bind, plugin=name))

    def _fault(self, plugin: object) -> str | None:
        """Return why the hooks of a registered plugin could not be called, or `None`."""
        import inspect

        callers = self.manager.get_hookcallers(plugin)
        if not callers:
            return "it implements no hook: put @krauth.hookimpl before each function"
        for name in (caller.name for caller in callers):
            found = inspect.getattr_static(plugin, name, None)
            if isinstance(plugin, type) and inspect.isfunction(found):
                return f"it is the class {plugin.__name__} itself: register an object of it"
            if inspect.iscoroutinefunction(getattr(plugin, name, None)):
                return f"{name} is a coroutine function: it is called in a worker thread; write a plain function"
        return None

    def _bind(self, scheme: str, factory: StoreFactory, plugin: str) -> None:
        scheme = scheme.lower().removesuffix("://")
        if scheme in self.factories and self.factories[scheme][1] != plugin:
            self.disputed.setdefault(scheme, [self.factories[scheme][1]]).append(plugin)
        self.factories[scheme] = (factory, plugin)

    def open(self, url: str) -> TokenStore:
        """Open the store at a URL.

        Raises:
            ConfigurationError: No plugin, or more than one, offers the scheme, or it can't open this URL.
        """
        scheme = url.partition("://")[0].lower()
        base = scheme.partition("+")[0]  # encrypted+sqlite:///…
        found = self.factories.get(scheme) or self.factories.get(base)
        claimed = self.disputed.get(scheme) or self.disputed.get(base)
        if claimed:
            raise ConfigurationError(
                f"more than one plugin offers token stores under {scheme}://: {', '.join(claimed)};"
                " uninstall all but one"
            )
        if found is None:
            hint = "; ".join(f"plugin {name!r} could not be loaded ({why})" for name, why in self.broken.items())
            raise ConfigurationError(
                f"no installed plugin offers token stores under {scheme}://;"
                f" there are: {', '.join(f'{name}://' for name in sorted(self.factories))}"
                + (f"; {hint}" if hint else "")
            )
        factory, plugin = found
        try:
            store = factory(url)
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  its words may hold the URL, and that a password
            raise ConfigurationError(
                f"plugin {plugin!r} could not open a {scheme}:// store: {type(error).__name__}"
            ) from without_frames(error)
        if not isinstance(store, TokenStore):
            raise ConfigurationError(
                f"plugin {plugin!r} opened {scheme}:// with a {type(store).__name__}, which is no krauth.TokenStore"
            )
        return store

    def notify(self, event: TokenEvent) -> None:
        """Call every observer, and log the failure of an observer."""
        under_way = sys.exception()
        for implementation in self.manager.hook.krauth_token_event.get_hookimpls():
            try:
                implementation.function(*[event for _ in implementation.argnames])
            except Exception as error:  # noqa: BLE001  an observer's exception must not break a call
                _leave_out(error, under_way)
                logger.exception("plugin %r failed to observe an event", implementation.plugin_name)


def _leave_out(error: BaseException, under_way: BaseException | None) -> None:
    """Take the error that krauth is just handling out of a chain: its frames hold a record or a token request.

    A logging handler that renders local variables would show them with the observer's own.
    """
    link: BaseException | None = error
    for _ in range(40):
        if link is None or under_way is None:
            return
        if link.__context__ is under_way:
            link.__context__ = None
        link = link.__cause__ or link.__context__


def plugins() -> Plugins:
    """Return the plugins, loading them the first time."""
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = Plugins()
        return _loaded


def may_be_observed() -> bool:
    """Whether an observer may want an event; false: none does. It reads no file, and waits for no lock."""
    if _loaded is None:
        return not _none_installed
    return bool(_loaded.manager.hook.krauth_token_event.get_hookimpls())


def _may_find_more() -> bool:
    """Whether `Plugins` may find more than the plugin that comes with krauth, told without `importlib.metadata`.

    False is certain: the files that `importlib.metadata` would read name no other. True is not: it is the answer where
    something is unusual, such as a packed program, an archive on `sys.path`, or a finder that is not Python's.
    """
    from importlib.machinery import PathFinder

    find = getattr(sys.modules.get("importlib.metadata"), "entry_points", None)
    is_packed = getattr(sys, "frozen", False) or "__compiled__" in globals()  # PyInstaller and others; Nuitka
    if is_packed or (find is not None and find.__module__ != "importlib.metadata"):  # replaced by a test
        return True
    if any(getattr(finder, "find_distributions", None) for finder in sys.meta_path if finder is not PathFinder):
        return True
    try:
        return any(_names_other(text) for folder in dict.fromkeys(sys.path) for text in _entry_points(folder))
    except Exception:  # noqa: BLE001  a folder that is a file, or can't be read
        return True


def _entry_points(folder: str) -> Iterator[str]:
    """Yield the text of each `entry_points.txt` in a folder of `sys.path` in which krauth occurs."""
    from importlib.machinery import SourceFileLoader

    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return  # Python itself names an archive that most installations do not have
    read = SourceFileLoader("", "").get_data  # the core opens no file: the import system does
    inside = os.path.join(folder, "")
    for name in names:
        if not name.lower().endswith("-info"):  # .dist-info, .egg-info, EGG-INFO
            continue
        try:
            content = read(f"{inside}{name}{os.sep}entry_points.txt")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if GROUP.encode() in content:
            yield content.decode(errors="replace").removeprefix("\ufeff")


def _names_other(text: str) -> bool:
    """Whether an `entry_points.txt` names a plugin for krauth that does not come with it."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]").strip()
        elif group == GROUP and line and not line.startswith("#") and line.replace(" ", "") != f"{SHIPPED}={SHIPPED}":
            return True
    return False


def register_plugin(plugin: object, name: str | None = None) -> None:
    """Register a plugin by hand, one that is not installed as a distribution: an application's own observer, say.

    Args:
        plugin: A module, class or object with `krauth.hookimpl` functions.
        name: For messages.

    Raises:
        ConfigurationError: It implements no hook, one that does not exist, or one in a way that can't be called.
    """
    with _lock:
        plugins().register(plugin, name)


def open_store(store: TokenStore | str | None) -> TokenStore:
    """Return a store: itself, the one at a URL (one object per URL and process), or the process's memory.

    Raises:
        ConfigurationError: It is neither a store nor the URL of one.
    """
    if store is None:
        return default_store
    if isinstance(store, TokenStore):
        return store
    if not isinstance(store, str) or "://" not in store:
        raise ConfigurationError(
            "store must be a TokenStore or a URL such as 'sqlite:///tokens.db'"
            + (f", not a {type(store).__name__}" if not isinstance(store, str) else "")
        )
    with _lock:
        if store not in _opened:
            _opened[store] = plugins().open(store)
        return _opened[store]


def notify(event: TokenEvent) -> None:
    """Tell the observers, in a worker thread: they are plugins, may be slow, and may have to be found first."""
    global _none_installed
    with contextlib.suppress(Exception):
        if _loaded is None and not _none_installed:
            _none_installed = not _may_find_more()
        if may_be_observed():
            plugins().notify(event)


def forget_opened() -> None:
    """Close the stores that were opened by URL, and open them anew when they are asked for; for tests."""
    with _lock:
        for url in [url for url in _opened if url != "memory://"]:
            with contextlib.suppress(Exception):  # a store is a plugin: anything may come out of it
                _opened.pop(url).close()
