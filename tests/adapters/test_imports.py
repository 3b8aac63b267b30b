"""What the import of an adapter brings along."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx", "krauth_httpx2", "krauth_aiohttp"])
def test_import_brings_along_nothing_dear(package):
    """An adapter loads neither asyncio, where its library does not, nor what only a token request needs."""
    bare = package.removeprefix("krauth_")
    code = f"import sys, {bare}; a = set(sys.modules); import {package}; print(*sorted(set(sys.modules) - a))"
    added = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not added & {"asyncio", "bcrypt", "pluggy", "importlib.metadata", "sqlite3", "unittest", "email.utils"}
    assert not added & {"dataclasses", "inspect", "ast", "concurrent.futures", "krauth._engine.source", "krauth.stores"}
    assert {name.partition(".")[0] for name in added} <= {
        *("krauth", "_krauth_httpx", package),
        *("secrets", "hmac", "_hashlib", "json"),
    }
    assert len(added) <= 30
