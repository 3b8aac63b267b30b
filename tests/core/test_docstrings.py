"""What docstrings say of the code around them is true: who uses a module, and which attributes an object has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import krauth

SRC = Path(krauth.__file__).parents[1]
PACKAGES = sorted(path.parent for path in SRC.glob("*krauth*/__init__.py"))
FILES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
#: "used by `a` and `b`", "made by `a`", "begun by `a`", in a module's docstring.
BY = re.compile(r"\b(?:[Uu]sed|[Mm]ade|[Bb]egun|[Cc]alled|[Dd]riven) by ((?:`[\w.]+`(?:, | and )?)+)")
NAME = re.compile(r"`([\w.]+)`")


def name_of(path):
    return str(path.relative_to(SRC)).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def words_of(path):
    """Every name that a module mentions outside docstrings, imported modules included."""
    words = set()
    for node in ast.walk(TREES[path]):
        match node:
            case ast.ImportFrom():
                words |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
            case ast.Import():
                words |= {part for alias in node.names for part in alias.name.split(".")}
            case ast.Name():
                words.add(node.id)
            case ast.Attribute():
                words.add(node.attr)
    return words


@pytest.mark.parametrize(
    "path", [path for path in FILES if BY.search(ast.get_docstring(TREES[path]) or "")], ids=name_of
)
def test_who_is_said_to_use_a_module_uses_it(path):
    """A module that another one is "used by" is there, and names the other or something of it."""
    own = {path.stem, *(node.name for node in TREES[path].body if isinstance(node, ast.ClassDef | ast.FunctionDef))}
    for said in BY.finditer(ast.get_docstring(TREES[path])):
        for user in NAME.findall(said[1]):
            stem = user.rpartition(".")[2]
            users = [other for other in FILES if other.stem == stem or other.parent.name == stem]
            assert users, f"{name_of(path)} is said to be used by {user}, which is not there"
            assert any(words_of(other) & own for other in users), f"{user} does not use {name_of(path)}"


def attributes_of(node):
    """The names that the docstring of a class lists under Attributes."""
    section = (ast.get_docstring(node) or "").partition("Attributes:\n")[2]
    names = []
    for line in section.split("\n"):
        if line and not line.startswith(" "):
            break
        if (found := re.match(r" {4}(\w+(?:, \w+)*): ", line)) is not None:
            names += found[1].split(", ")
    return names


CLASSES = [
    (path, node)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef) and attributes_of(node)
]


@pytest.mark.parametrize(("path", "node"), CLASSES, ids=[f"{name_of(path)}.{node.name}" for path, node in CLASSES])
def test_attributes_that_are_named_are_there(path, node):
    """Each attribute in the docstring of a class is a field, a slot, a property, or set by the class or its bases."""
    tree, seen, queue = TREES[path], set(), [node]
    there = set()
    by_name = {
        other.name: other for every in TREES.values() for other in ast.walk(every) if isinstance(other, ast.ClassDef)
    }
    by_name |= {other.name: other for other in ast.walk(tree) if isinstance(other, ast.ClassDef)}
    while queue:
        one = queue.pop()
        if one.name in seen:
            continue
        seen.add(one.name)
        queue += [by_name[base.id] for base in one.bases if isinstance(base, ast.Name) and base.id in by_name]
        for inner in ast.walk(one):
            match inner:
                case ast.FunctionDef():
                    there.add(inner.name)
                case ast.Attribute(ctx=ast.Store()):
                    there.add(inner.attr)
                case ast.Name(ctx=ast.Store()):
                    there.add(inner.id)
                case ast.Constant(value=str()) if inner.value.isidentifier():
                    there.add(inner.value)
    missing = set(attributes_of(node)) - there
    assert not missing, f"{name_of(path)}.{node.name} has no {', '.join(sorted(missing))}"


def test_no_imports_go_round_in_a_circle():
    """No module of any package imports, through others, itself; imports inside functions and for types are left out."""
    names = {name_of(path): path for path in FILES}

    def targets(path):
        package = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1]
        for node in TREES[path].body:
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                yield from (
                    f"{module}.{alias.name}" if f"{module}.{alias.name}" in names else module for alias in node.names
                )
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)

    graph = {
        name: {target for target in targets(path) if target in names and target != name} for name, path in names.items()
    }
    done, circles = set(), []

    def visit(name, way):
        if name in way:
            circles.append(" → ".join([*way[way.index(name) :], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*way, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    assert not circles


@pytest.mark.parametrize("page", ["architecture.md", "architecture.ko.md"])
def test_the_drawing_of_rooms_is_whole(page):
    """`docs/architecture` names each room, and each module of the engine and of the auth classes, and no other there."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    rows = text.partition("|---|---|\n")[2].partition("\n\n")[0]
    there = {
        path.stem for path in (SRC / "krauth").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__", "__main__"} <= set(NAME.findall(rows))
    for room in ("_engine", "_auth"):
        part = re.split(rf"\n(?:Inside )?`{room}`", text)[1]
        rows = part.partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
        named = {name for row in rows for name in NAME.findall(row.split("|")[1])}
        there = {path.stem for path in FILES if path.parent == SRC / "krauth" / room} - {"__init__"}
        assert named == there


#: The objects of a refresh → where their classes are, bases included.
CHANGING = {
    "TokenSource": ["source.TokenSource"],
    "Run": ["run.Run"],
    "_Refresh": ["refresh._Refresh", "knowledge.Knowledge"],
    "StoreSteps": ["store_steps.StoreSteps"],
}


@pytest.mark.parametrize("page", ["architecture.md", "architecture.ko.md"])
def test_the_table_of_changing_fields_is_whole(page):
    """`docs/architecture` names every field that is assigned after its object was made; there are 14 at most."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    named = {}
    for row in re.findall(r"^\| `(\w+)` \| (`.*) \|$", text.partition("`knowledge.Outcome`")[2], re.MULTILINE):
        named.setdefault(row[0], set(re.findall(r"`(\w+)`", row[1])))
    assert sum(len(named[name]) for name in CHANGING) <= 14
    for name, places in CHANGING.items():
        for place in places:
            module, _, kind = place.partition(".")
            tree = TREES[SRC / "krauth" / "_engine" / f"{module}.py"]
            body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind).body
            later = [node for node in body if getattr(node, "name", "__init__") != "__init__"]
            assigned = {
                node.attr
                for method in later
                for node in ast.walk(method)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
            assert assigned <= named[name]


@pytest.mark.parametrize("page", ["architecture.md", "architecture.ko.md"])
def test_the_table_of_locks_is_whole(page):
    """`docs/architecture` names each module of the core and the adapters that makes a lock, and how many it makes."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` ?(?:\((\w+)\))? \|", text.rpartition("\n## ")[2], re.MULTILINE)
    numbers = {"": 1, "two": 2, "둘": 2, "three": 3, "셋": 3}
    told = {re.sub(r"\.[A-Z]\w+", "", name): numbers[number] for name, number in rows}
    there = {}
    for path in FILES:
        if {"krauth_stores", "krauth_cli", "krauth_sandbox"} & set(path.parts):
            continue
        made = {
            ast.unparse(node.targets[0])
            for node in ast.walk(TREES[path])
            if isinstance(node, ast.Assign)
            # A condition that is given a lock makes none.
            and re.match(r"\(?threading\.(R?Lock\(|Condition\(\)|Semaphore\()", ast.unparse(node.value))
        }
        if made := {re.sub(r"^\(|,.*|^\w+\.", "", name) for name in made}:  # `lock, workers = …` in a child
            name = name_of(path).removeprefix("krauth.")
            there[name.partition("._")[0] if name.startswith("krauth_") else name] = len(made)
    assert told == there


@pytest.mark.parametrize("page", ["architecture.md", "architecture.ko.md"])
def test_the_limits_are_those_of_the_code(page):
    """`docs/architecture` says how many refreshes, threads and waiting events there are at most."""
    from krauth._engine.process import MAX_EVENTS, workers

    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    lanes, observers = re.findall(r"\n- (.*?)(?=\n- |\n\n)", text, re.DOTALL)[:3:2]
    assert re.findall(r"\d[\d,]*", lanes) == [f"{workers._lane_limit}", f"{workers._limit}"]
    assert re.findall(r"\d[\d,]*", observers) == [f"{MAX_EVENTS:,}"]
