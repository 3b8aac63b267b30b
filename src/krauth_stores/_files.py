"""Who may read and write a store's file: only this user and root may own it or change it; for `sqlite`."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
import sys

from krauth import ConfigurationError, TokenStoreError

#: What SQLite puts beside a file.
BESIDE = ("-wal", "-shm", "-journal")
_POSIX = hasattr(os, "geteuid")


def resolve(path: str | os.PathLike[str]) -> str:
    """Return the absolute path without symbolic links.

    Raises:
        ConfigurationError: Another user owns a link on the way, and could point it elsewhere.
    """
    text = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if "\0" in text:
        raise ConfigurationError("the path of a token store holds a NUL character")
    if _POSIX:
        _check_links(text, 40)
    return os.path.realpath(text)


def _check_links(path: str, depth: int) -> None:
    at = os.sep
    for part in path.split(os.sep):
        at = os.path.join(at, part)
        with contextlib.suppress(OSError):
            info = os.lstat(at)
            if not stat.S_ISLNK(info.st_mode):
                continue
            if not depth or info.st_uid not in (0, os.geteuid()):
                raise ConfigurationError(
                    f"the token store {path} can't be used: {at} is a symbolic link that belongs to user"
                    f" {info.st_uid}, who could point it elsewhere; name the file without the link"
                )
            _check_links(os.path.normpath(os.path.join(os.path.dirname(at), os.readlink(at))), depth - 1)
            at = os.path.realpath(at)


def make(path: str) -> None:
    """Make the file (0600), and each folder that is missing (0700), with any umask.

    Raises:
        TokenStoreError: Another user could change files of the folder.
    """
    folder = os.path.dirname(path)
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.mkdir(one, 0o700)
            os.chmod(one, 0o700)
    if _POSIX:
        _check_folder(path, os.path.dirname(path))
    # The file is made before SQLite makes it with 0644. SQLite's other files (-wal, -shm) get the file's mode.
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def sync(path: str) -> None:
    """Bring a file and its name to the disk; where there is none, it is there already."""
    for name, flags in ((path, os.O_RDWR), (os.path.dirname(path), os.O_RDONLY)):
        if os.path.isdir(name) and not _POSIX:
            continue
        try:
            descriptor = os.open(name, flags | getattr(os, "O_NOFOLLOW", 0))
        except (FileNotFoundError, PermissionError):
            return  # a folder may be closed to those who read it
        try:
            if sys.platform == "darwin":
                import fcntl

                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync alone does not reach the disk there
            else:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check(path: str) -> bool:
    """Make the file and what SQLite puts beside it private; return whether the file exists.

    Raises:
        TokenStoreError: Another user could read or change it.
    """
    if not _POSIX:
        return os.path.exists(path)
    exists = False
    for suffix in ("", *BESIDE):
        name = path + suffix
        try:
            info = os.lstat(name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        exists = exists or not suffix
        _check_file(name, info)
    if exists:
        with contextlib.suppress(FileNotFoundError):
            _check_folder(path, os.path.dirname(path))
    return exists


def _check_file(name: str, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        kind = "a folder" if stat.S_ISDIR(info.st_mode) else "no ordinary file"
        raise TokenStoreError(f"the token store {name} can't be opened: it is {kind}")
    ours = os.geteuid()
    if info.st_uid not in (0, ours):
        public = f"; its owner has to run chmod 600 {shlex.quote(name)}" if info.st_mode & 0o007 else ""
        raise TokenStoreError(
            f"the token store {name} belongs to user {info.st_uid}, who can read and change it: run this program as"
            f" that user, or name another file{public}"
        )
    if info.st_mode & 0o077 and info.st_uid == ours:
        try:
            os.chmod(name, info.st_mode & 0o700)
        except FileNotFoundError:  # SQLite has removed it meanwhile
            return
        except OSError as error:
            if error.errno != errno.EROFS:  # where nothing can be changed, reading changes nothing either
                raise
    elif info.st_mode & 0o027:
        raise TokenStoreError(
            f"the token store {name} is open to other users of this machine, and belongs to root: its owner has to run"
            f" chmod 600 {shlex.quote(name)}"
        )


def _check_folder(path: str, folder: str) -> None:
    info = os.stat(folder)
    # In a sticky folder (/tmp) no user can replace the files of others.
    writers = 0 if info.st_mode & stat.S_ISVTX else info.st_mode & 0o022
    if writers == 0o020 and _is_private_group(info.st_gid):
        writers = 0
    if info.st_uid in (0, os.geteuid()) and not writers:
        return
    why = "other users may write to" if writers else f"user {info.st_uid} owns"
    better = os.path.join(folder, "krauth", os.path.basename(path))
    raise TokenStoreError(
        f"the token store {path} is not safe there: {why} its folder, and could put another file in its place."
        f" Give it a folder that is its own, for example {better} (krauth makes that folder), or run"
        f" chmod go-w {shlex.quote(folder)}"
    )


def _is_private_group(number: int) -> bool:
    """Tell whether the group has the user's name and no other member: then it is that user's alone."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(number)
    except KeyError:
        return False
    return number == user.pw_gid and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
