"""No package of ours has a circle of imports, and the sandbox's rooms import downwards only."""

import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*SETTINGS["root_packages"], cache_dir=None)


def circles(arrows):
    """Return the sets of modules that import each other, directly or not (Tarjan's strongly connected components)."""
    number, low, stack, found = {}, {}, [], []

    def visit(module):
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in arrows[module]:
            if other not in number:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            circle = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in sorted(arrows):
        if module not in number:
            visit(module)
    return found


def test_circles_are_found():
    """The search finds a circle of two, one of three, and none where there is none."""
    assert circles({"a": ["b"], "b": ["a"], "c": []}) == [["a", "b"]]
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


@pytest.mark.parametrize("package", SETTINGS["root_packages"])
def test_no_circles(graph, package):
    """Imports inside functions and for types count, too."""
    modules = {name for name in graph.modules if name == package or name.startswith(f"{package}.")}
    arrows = {name: sorted(graph.find_modules_directly_imported_by(name) & modules) for name in modules}
    assert modules
    assert circles(arrows) == []


def test_the_sandbox_has_a_layers_contract():
    """Every module and room of the sandbox stands on a floor of the contract."""
    (contract,) = [one for one in SETTINGS["contracts"] if one.get("containers") == ["krauth_sandbox"]]
    assert contract["type"] == "layers"
    assert contract["exhaustive"] is True
