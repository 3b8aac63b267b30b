"""A notebook, run by nbclient in a kernel of its own, whose cells run on an event loop."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.runtimes

CELLS = (
    "import tiny\nprint(tiny.account().split()[0])",  # a blocking client, while the kernel's loop waits
    "import httpx\n"
    "from krauth_httpx import NaverAuth\n"
    "async with httpx.AsyncClient(auth=NaverAuth.from_env(store='memory://')) as client:\n"
    "    print((await client.get(tiny.URL)).json()['accountUid'])",
    "import warnings\n"
    "with warnings.catch_warnings(record=True) as caught:\n"
    "    warnings.simplefilter('always')\n"
    "    NaverAuth.from_env(store='sqlite:///other.db').token()\n"
    "print(*[one.message for one in caught if one.category is RuntimeWarning])",
)


def test_cells(world, monkeypatch):
    """A blocking call works in a cell, and so does a cell that awaits; `token()` says that it blocks the loop."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IPYTHONDIR", str(world.folder / "ipython"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.delenv("PYTHONWARNINGS")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=os.fspath(world.folder))
    first, second, warned = ("".join(one.text for one in cell.outputs).strip() for cell in notebook.cells)
    assert first == second
    assert "await auth.atoken()" in warned
