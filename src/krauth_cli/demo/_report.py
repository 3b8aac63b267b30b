"""What the demo prints, and the list of claims that decides the exit code."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._failure import printable

if TYPE_CHECKING:
    from ._clients import Stack
    from ._phrases import Phrases

#: Wider than this, lines are harder to follow.
_WIDEST = 100
_NAME = 14
_CELL = 27


@dataclass
class Claim:
    """A promise, and for each stack whether it was kept."""

    name: str
    seen: str = ""
    kept: dict[str, bool] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether it was put to the test, and kept every time."""
        return bool(self.kept) and all(self.kept.values())


class Report:
    """The demo's output. Everything is plain text; colour and live lines are for terminals."""

    def __init__(self, say: Phrases) -> None:
        self.say = say
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
        if self.console.width > _WIDEST:
            self.console.width = _WIDEST
        self.claims: list[Claim] = []
        self.began = time.monotonic()

    @property
    def all_hold(self) -> bool:
        """Whether every claim holds."""
        return bool(self.claims) and all(claim.holds for claim in self.claims)

    def title(self, version: str, stacks: list[tuple[Stack, bool]]) -> None:
        """Print the beginning: what this is, and which libraries take part."""
        self.console.print(Text(self.say("title", version=version), style="bold"))
        self.note(self.say("intro"), indent=0)
        self.console.print()
        libraries = {stack.library: (stack, there) for stack, there in stacks}
        installed = [f"{name} {stack.version}" for name, (stack, there) in libraries.items() if there]
        self._wrapped(Text(" · ".join(installed)), 3)
        for stack, there in stacks:
            if not there:
                self._line("skipped", stack.name, self.say("not_installed", library=stack.library))

    def scene(self, claim: str, heading: str, note: str) -> Claim:
        """Begin an scene, which tests one claim."""
        self.claims.append(Claim(claim))
        self.console.print()
        self.console.print(Text(f"{len(self.claims)}  {heading}", style="bold cyan"))
        if note:
            self.note(note)
        return self.claims[-1]

    def note(self, text: str, indent: int = 3) -> None:
        """Print a paragraph."""
        self._wrapped(Text(text, style="dim"), indent)

    def moment(self, seconds: float, text: str) -> None:
        """Print an event of a timeline."""
        self._wrapped(Text.assemble((f"{seconds:4.1f} s  ", "cyan"), text), 3, hang=8)

    def columns(self, *names: str) -> None:
        """Print the heads of the columns of `row`."""
        head = " " * (3 + 8) + _pad(self.say("library"), _NAME) + "".join(_pad(name, _CELL) for name in names)
        self.console.print(Text(head.rstrip(), style="dim"))

    def row(self, claim: Claim, stack: Stack, cells: list[str], wrong: str | None = None) -> None:
        """Print the result of one stack, and count it; `wrong` says which statement does not hold."""
        claim.kept[stack.name] = wrong is None
        if wrong is not None:
            claim.instead[stack.name] = wrong
        text = "".join(_pad(cell, _CELL) for cell in cells[:-1]) + cells[-1]
        self._line("ok" if wrong is None else "failed", stack.name, text)

    def quote(self, who: str, text: str) -> None:
        """Print a message of another program, whole."""
        self._wrapped(Text.assemble((_pad(who, 10), "bold"), printable(text, 1000)), 3, hang=10)

    def summary(self) -> None:
        """Print the table of claims and the verdict."""
        say = self.say
        self.console.print()
        self.console.print(Text(say("summary"), style="bold"))
        table = Table(
            box=box.ROUNDED,
            width=min(self.console.width, _WIDEST),
            show_lines=True,
        )
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column(say("claimed"), ratio=10, overflow="fold")
        table.add_column(say("seen"), ratio=11, overflow="fold")
        table.add_column(say("result"), no_wrap=True)
        for number, claim in enumerate(self.claims, 1):
            good = sum(claim.kept.values())
            seen = [claim.seen] if claim.holds else [f"{name}: {text}" for name, text in claim.instead.items()]
            mark = Text.assemble(self._mark(claim.holds), f" {good}/{len(claim.kept)}")
            table.add_row(str(number), say(f"{claim.name}_claim"), "\n".join(seen), mark)
        self.console.print(table)
        bad = sum(not claim.holds for claim in self.claims)
        if bad:
            text = say("some_bad", bad=bad, claims=len(self.claims), mark=say("failed"))
        else:
            stacks, seconds = len(self.claims[0].kept), f"{time.monotonic() - self.began:.0f}"
            text = say("all_good", claims=len(self.claims), stacks=stacks, seconds=seconds)
        self._wrapped(Text(text, style="bold red" if bad else "bold green"), 0)
        self._wrapped(Text(say("next"), style="dim"), 0)

    def _mark(self, kept: bool) -> Text:
        return Text(self.say("ok" if kept else "failed"), style="green" if kept else "bold red")

    def _line(self, state: str, name: str, text: str) -> None:
        style = {"ok": "green", "failed": "bold red", "skipped": "yellow"}.get(state, "")
        mark = _pad(self.say(state), 8) if state else " " * 8
        line = Text.assemble((mark, style), (_pad(name, _NAME), ""), (text, ""))
        self._wrapped(line, 3, hang=8 + _NAME)

    def _wrapped(self, text: Text, indent: int, hang: int = 0) -> None:
        # A hanging indent: the first line starts at `indent`, the others `hang` cells further right.
        width = self.console.width - indent
        head, rest = text, None
        if hang and cell_len(text.plain) > width:
            first = text.wrap(self.console, width)[0]
            first.rstrip()
            head, rest = first, text[len(first.plain) :]
            rest = Text(rest.plain.lstrip(), style=text.style)
        for line in head.wrap(self.console, width):
            self._print(line, indent)
        if rest is not None:
            for line in rest.wrap(self.console, width - hang):
                self._print(line, indent + hang)

    def _print(self, line: Text, indent: int) -> None:
        line.rstrip()
        self.console.print(Text.assemble(" " * indent, line), soft_wrap=True)


def _pad(text: str, width: int) -> str:
    return text + " " * max(1, width - cell_len(text))
