"""Writes `docs/benchmarks.md` and its plots from a result file; says nothing that the file does not hold."""

# Prose and table heads, as they appear on the page:

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .hot_path import AIMS, FLOOR, LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

OURS, LIMITS, THEIRS = "#1f6feb", "#8b949e", "#d29922"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table; all columns but the first are flush right."""
    names = list(head)
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    return "\n".join([*lines, *[f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]])


def ratio(found: dict[str, float]) -> str:
    return f"{found['median']:.2f}× [{found['q1']:.2f}–{found['q3']:.2f}]"


def us(seconds: float) -> str:
    return f"{seconds * 1e6:.2f}" if seconds < 1e-4 else f"{seconds * 1e6:.0f}"


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


def color(name: str) -> str:
    if name.startswith("krauth"):
        return OURS
    controls = (LIMIT, FLOOR, "bare flow", "control", "static header")
    return LIMITS if name.startswith(controls) or name.endswith(LIMIT) else THEIRS


def bars(path: Path, title: str, values: dict[str, float], unit: str, *, log: bool = False) -> None:
    """Draw horizontal bars: ours blue, the limit grey, peers yellow."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "krauth"
    from matplotlib import pyplot as plt

    names = list(values)[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(names) + 1.1))
    axes.barh(names, [values[name] for name in names], color=[color(name.partition(": ")[2] or name) for name in names])
    for at, name in enumerate(names):
        axes.text(values[name], at, f" {values[name]:.3g}", va="center", fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(unit, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.12)
    if log:
        axes.set_xscale("log")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write(result: Path, docs: Path) -> None:
    """Write the page and the plots."""
    found = json.loads(result.read_text())
    folder = docs / "benchmarks"
    where = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    chapters = []
    for name, chapter in CHAPTERS.items():
        part = found["parts"].get(name)
        if part is None:
            continue
        kind = "full" if part["full"] else "quick"
        when = (
            f"*{part['at']}, {kind} run of {part['took_seconds']:.0f} s, load average before: {part['load_before']}.*"
        )
        more = (found["parts"],) if name == "pieces" else ()
        chapters.append(f"{chapter(part['data'], folder, *more)}\n\n{when}")
    page = f"""# Benchmarks

Made by `python -m benchmarks` from [`{result.name}`](benchmarks/{result.name}); do not edit. Run it yourself: `make bench`
(some eight minutes), `make bench-full` (some forty). How each figure is taken is told by the modules of `benchmarks/`.

A figure in × or % compares two things measured in turn in the same run; the brackets hold its quartiles. Absolute
times say more about the machine than about the code.

- Machine: {where["cpu"]}, {where["cpus"]} CPUs, {where["memory_gib"]} GiB, {where["system"]}, {where["python"]}
- Versions: {versions}

{chr(10).join(f"{one}{chr(10)}" for one in chapters)}"""
    (docs / "benchmarks.md").write_text(page.rstrip() + "\n")


def hot_path(data: dict[str, Any], folder: Path) -> str:
    rows, plot = [], {}
    for stack, subjects in data.items():
        for name, one in subjects.items():
            aim = f"≤ {AIMS[stack]}×" if name.startswith("krauth") else ""
            rows.append([stack, name, us(one["seconds"]["median"]), ratio(one["ratio"]), aim])
            plot[f"{stack}: {name}"] = one["ratio"]["median"]
    bars(folder / "hot_path.svg", "One call with a fresh token", plot, "× static bearer of the same stack", log=True)
    return f"""## 1. Hot path: one call with a fresh token

CPU time of the auth code alone, driven as its library drives it, without network. *Static bearer* is what one writes by
hand; in httpx *bare flow* overrides `sync_auth_flow` as well, which spares a generator. *Same duties, by hand* is a static
bearer that also looks at the request's origin, at both clocks and for a 401, written with constants: what ours could
cost at least. Of requests' peers none looks at the response; ours does, by a hook: the rows that include it are what a
call costs in all.

![Cost of one call with a fresh token](benchmarks/hot_path.svg)

{table(["stack", "what", "µs", "× static bearer", "aim"], rows)}"""


def pieces(data: dict[str, Any], folder: Path, found: dict[str, Any]) -> str:
    hot = found.get("hot_path", {}).get("data", {})
    floors = [
        f"{hot[stack][FLOOR]['ratio']['median']:.2f}× in {stack} (ours {hot[stack]['krauth']['ratio']['median']:.2f}×)"
        for stack in ("requests", "aiohttp")
        if stack in hot
    ]
    rows = [[name, f"{one['median']:.0f} [{one['q1']:.0f}–{one['q3']:.0f}]"] for name, one in data.items()]
    return f"""### What is left, and why

{table(["piece, alone", "ns"], rows)}

Setting the header is what the static bearer does too. Over it stand two looks at the clock, since a token is over as
soon as the wall clock *or* the monotonic clock says so (a suspended machine stops the one, a corrected one moves the
other); the test that the request goes to the credential's origin; and what will see a 401: in requests a hook, in httpx
the rest of the generator, in aiohttp a look at the status. By hand, with constants, the same
duties cost {" and ".join(floors)}. So the aim of 1.5× can be met there only without one
of these duties, or by writing into the library's private attributes; neither is done."""


def whole_requests(data: dict[str, Any], folder: Path) -> str:
    rows = []
    for stack, one in data.items():
        ours, control, bare = one["krauth"], one["control"], one["static header"]

        def percent(found: dict[str, float]) -> str:
            low, mid, high = ((found[name] - 1) * 100 for name in ("q1", "median", "q3"))
            return f"{mid:+.1f} % [{low:+.1f}, {high:+.1f}]"

        rows.append(
            [
                stack,
                us(bare["cpu_seconds"]["median"]),
                percent(ours["ratio"]),
                percent(control["ratio"]),
                f"{ours['peak_bytes'] - bare['peak_bytes']:+.0f}",
            ]
        )
    return f"""## 2. Whole requests on loopback, keep-alive

CPU time of the client's thread per request, against the same request with a header set by hand. The control is that
same request once more, on another client: differences of its size are noise.

{table(["stack", "µs with a static header", "krauth", "control", "peak bytes allocated per request, more or less"], rows)}"""


def stampede(data: dict[str, Any], folder: Path) -> str:
    rows = []
    plot = {}
    for shape, subjects in data.items():
        for name, scenarios in subjects.items():
            cells = []
            for scenario in ("client credentials", "refresh token", "single-use refresh token"):
                one = scenarios.get(scenario)
                if one is None:
                    cells.append("–")
                    continue
                asked, failed = one["token_requests"], one["failed"]
                spread = f" [{asked['min']}–{asked['max']}]" if asked["min"] != asked["max"] else ""
                cells.append(f"{asked['median']:.0f}{spread} / **{failed['median']:.0f}**")
                if shape == "64 threads" and scenario == "client credentials":
                    plot[name] = asked["median"]
            rows.append([shape, name, *cells])
    bars(
        folder / "stampede.svg",
        "Token requests of 64 threads, client credentials",
        plot,
        "token requests (1 is enough)",
    )
    return f"""## 3. Stampede: everybody meets an expired token at once

Token requests / **callers that failed** (an exception, or an answer other than 200), medians of several runs. The token
endpoint takes 50 ms. A dash: the library does not have that grant, or no way to share.

![Token requests of 64 threads](benchmarks/stampede.svg)

{table(["who", "what", "client credentials", "refresh token", "single-use refresh token"], rows)}

- requests-oauthlib with client credentials has users fetch the token themselves; its `fetch_token` empties the token
  first, so that callers in between go without and are refused.
- Authlib's async client holds a lock of one event loop: it cannot be shared among loops, so there each has a client
  of its own that begins with the same refresh token.
- MSAL and httpx-auth's class are for client credentials; google-auth's `Credentials` is for refresh tokens."""


def latency(data: dict[str, Any], folder: Path) -> str:
    settings, subjects = data["settings"], data["subjects"]
    rows, plot = [], {}
    for name, one in subjects.items():
        rows.append(
            [
                name,
                *[ms(one[key]) for key in ("p50", "p99", "p999", "max")],
                one["waited"],
                one["refused"],
                one["n"] - one["statuses"].get("200", 0),
                one["token_requests"],
                f"{ms(one['control']['max'])} / {one['control']['waited']}",
            ]
        )
        plot[name] = one["p999"] * 1e3
    bars(folder / "latency.svg", "Latency while tokens are renewed, p99.9", plot, "ms")
    first = next(iter(subjects.values()))
    return f"""## 4. Latency across a refresh

Some {first["n"]} calls on a schedule of {settings["calls_per_second"]:.0f} a second, from {settings["threads"]} threads or, async, from a task each, over
{settings["lifetimes"]} lifetimes of a token, after the first token is there. The wall clock runs {settings["speed"]:.0f}
times as fast, so that a token of 30 minutes lives 15 s and every library keeps its own margins; the token endpoint takes
{settings["token_delay"] * 1e3:.0f} ms. *Waited*: took longer than {settings["waited_means"] * 1e3:.0f} ms. *Refused*: 401s that
the server sent. *Failed*: what callers saw of it. *Control*: calls of the same process with a static bearer
on a session of its own; what it meets is the machine's doing (and the interpreter's lock's). Latency counts from when a
call was due. Python's collector is kept off the modules that were imported (`gc.freeze`): its full passes stop
everybody, the static bearers too, for 10 to 20 ms.

![Latency while tokens are renewed](benchmarks/latency.svg)

{table(["what", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "waited", "refused", "failed", "token requests", "control: max ms / waited"], rows)}"""


def loop_lag(data: dict[str, Any], folder: Path) -> str:
    rows = []
    for name, one in data.items():
        worst, control = one["worst_fetch"], one["worst_control"]
        rows.append(
            [
                name,
                f"{ms(worst['median'])} [{ms(worst['q1'])}–{ms(worst['q3'])}]",
                f"{ms(control['median'])} [{ms(control['q1'])}–{ms(control['q3'])}]",
                ms(one["fetch"]["p50"]),
                ms(one["control"]["p50"]),
            ]
        )
    return f"""## 5. Event-loop lag during a token fetch

A 1 ms ticker's worst lateness per run while the first token is fetched, ours with a Naver secret of cost 10 (some 60 ms
of bcrypt), beside a control run in the same process without a fetch.

{table(["what", "worst lag, ms", "control, ms", "median lag, ms", "control, ms"], rows)}"""


def startup(data: dict[str, Any], folder: Path) -> str:
    rows = []
    for module, one in data["imports"].items():
        mid = one["seconds"]
        share = f"{one['share']['median'] * 100:.0f} %"
        name = f"`{module.partition(',')[0]}`"
        spread = f"{ms(mid['median'])} [{ms(mid['q1'])}–{ms(mid['q3'])}]"
        rows.append([name, one["over"], ms(one["bare_seconds"]["median"]), spread, share, one["modules"]])
    first = [
        [name, f"{ms(one['median'])} [{ms(one['q1'])}–{ms(one['q3'])}]"]
        for name, one in data["first_token_cpu"].items()
    ]
    along = "; ".join(
        f"`{module}`: {', '.join(one['foreign_modules']) or 'none'}"
        for module, one in data["imports"].items()
        if module.startswith("krauth_")
    )
    dear = [
        [f"`{module}`", ", ".join(f"{one['module']} {one['us'] / 1000:.1f}" for one in found[:6])]
        for module, found in data["trees"].items()
    ]
    return f"""## 6. Start-up

CPU time of an import after the bare library has been imported, byte code compiled; and modules that it adds. Aim: 5 ms
and 5 %. (`krauth` alone is measured over `typing`, which every library imports.)

{table(["import", "over", "bare, ms", "ms", "of the bare import", "modules"], rows)}

Modules that are not ours and come along: {along}.

The dearest modules of ours by their own time, ms under `-X importtime`, which makes everything slower:

{table(["import", "modules"], dear)}

From cold: CPU time, user and system, of a whole process that obtains a token and makes one call, ms (resolution 10 ms):

{table(["what", "ms"], first)}"""


def scale(data: list[dict[str, Any]], folder: Path) -> str:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "krauth"
    from matplotlib import pyplot as plt

    rows = [
        [
            f"{one['count']:,}",
            us(one["creation_seconds"]),
            f"{one['bytes_each_idle']:.0f}",
            one["threads_idle"],
            f"{one['storm_seconds']:.2f}",
            ms(one["storm_cpu_seconds_each"]),
            one["storm_token_requests"],
            one["threads_after_storm"],
            us(one["call_seconds"]),
        ]
        for one in data
    ]
    figure, axes = plt.subplots(figsize=(8, 3.2))
    counts = [one["count"] for one in data]
    for key, label in (
        ("creation_seconds", "creation"),
        ("call_seconds", "a call"),
        ("storm_cpu_seconds_each", "storm"),
    ):
        axes.plot(counts, [one[key] * 1e6 for one in data], marker="o", label=f"{label}, µs each")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("auth objects in one process", fontsize=9)
    axes.legend(fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(folder / "scale.svg", metadata={"Date": None})
    plt.close(figure)
    return f"""## 7. Scale: a fleet of sellers in one process

`NaverAuth.for_account` for each seller; then all of them get their first token at once, called from 16 threads (a
signature of cost 4 is some 1 ms of CPU and most of it); then one call each, on caches that all the others have emptied.

![Growth with the number of auth objects](benchmarks/scale.svg)

{table(["objects", "creation, µs", "bytes each, idle", "threads", "storm, s", "CPU ms each", "token requests", "threads after", "a call, µs"], rows)}"""


def stores(data: dict[str, Any], folder: Path) -> str:
    rows = []
    for name, counts in data.items():
        if isinstance(counts, str):
            rows.append([name, counts, *[""] * 6])
            continue
        for count, one in counts.items():
            cells = [f"{us(one[what]['p50'])} / {us(one[what]['p99'])}" for what in ("load", "save", "lease")]
            rates = [f"{one[what]['per_second']:,.0f}" for what in ("load", "save", "lease")]
            rows.append([name, count, *cells, *rates])
    return f"""## 8. Stores

p50 / p99 in µs, and operations a second of all processes together; each process has a key of its own. A lease is
acquired and released. SQLite's saves and leases are durable: they wait for the disk, and sixteen processes that write
without a pause mostly for each other. None of this is on a request's way.

{table(["store", "processes", "load", "save", "lease", "loads/s", "saves/s", "leases/s"], rows)}"""


CHAPTERS: dict[str, Callable[..., str]] = {
    "hot_path": hot_path,
    "pieces": pieces,
    "whole_requests": whole_requests,
    "stampede": stampede,
    "latency": latency,
    "loop_lag": loop_lag,
    "startup": startup,
    "scale": scale,
    "stores": stores,
}
