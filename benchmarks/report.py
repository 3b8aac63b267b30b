"""Writes `docs/benchmarks.md` and its plots from a result file; says nothing that the file does not hold."""

# Prose and table heads, as they appear on the page:

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from .hot_path import AIMS, BARE, FLOOR, LIMIT, OURS
from .pieces import OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BLUE, GREY, YELLOW = "#1f6feb", "#8b949e", "#d29922"


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
    if name.startswith(OURS):
        return BLUE
    return GREY if LIMIT in name or name.startswith((FLOOR, "bcrypt")) else YELLOW


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


#: Not measured here but counted in virtual time, by `python -m tests.fleet`; drawn by `tools/draw_fleet.py`.
FLEET = """## A fleet that shares a store

![Growth with the number of processes](benchmarks/fleet.svg)

A token costs one request, however many processes there are, and an outage costs a thousand processes what it costs
ten. Clocks that are ten minutes wrong cost each fast process one request more. The figures, and how they were counted,
are on the page of the [protocol](protocol.md#what-a-fleet-costs).
"""


def write(result: Path, docs: Path) -> None:
    """Write the page and the plots."""
    found = json.loads(result.read_text())
    folder = docs / "benchmarks"
    where = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    chapters, took = [], 0.0
    for name, chapter in CHAPTERS.items():
        part = found["parts"].get(name)
        if part is None:
            continue
        took += part["took_seconds"]
        kind = "full" if part["full"] else "quick"
        when = (
            f"*{part['at']}, commit {part.get('commit', 'unknown')}, {kind} run of {part['took_seconds']:.0f} s,"
            f" load average before: {part['load_before']}.*"
        )
        more = (found["parts"],) if name == "pieces" else ()
        chapters.append(f"{chapter(part['data'], folder, *more)}\n\n{when}")
    page = f"""# Benchmarks

Made by `python -m benchmarks` from [`{result.name}`](benchmarks/{result.name}); do not edit. Run it yourself: `make bench`
(a quarter of an hour) or `make bench-full` (three quarters); this one took {took / 60:.0f} minutes. How each figure is taken is told by the modules of `benchmarks/`.

A figure in × or % compares two things measured in turn in the same run; the brackets hold its quartiles. Absolute
times say more about the machine than about the code.

- Machine: {where["cpu"]}, {where["cpus"]} CPUs, {where["memory_gib"]} GiB, {where["system"]}, {where["python"]}
- Versions: {versions}

{chr(10).join(f"{one}{chr(10)}" for one in chapters)}
{FLEET}"""
    (docs / "benchmarks.md").write_text(page.rstrip() + "\n")


def hot_path(data: dict[str, Any], folder: Path) -> str:
    rows, plot = [], {}
    for stack, subjects in data["token"].items():
        for name, one in subjects.items():
            aim = f"≤ {AIMS[stack]}×" if name.startswith(OURS) else ""
            rows.append([stack, name, us(one["seconds"]["median"]), ratio(one["ratio"]), aim])
            plot[f"{stack}: {name}"] = one["ratio"]["median"]
    bars(folder / "hot_path.svg", "One call with a fresh token", plot, "× static bearer of the same stack", log=True)
    keys = [
        [
            stack,
            kind,
            us(one[LIMIT]["seconds"]["median"]),
            us(one[OURS]["seconds"]["median"]),
            ratio(one[OURS]["ratio"]),
        ]
        for kind in data
        if kind != "token"
        for stack, one in data[kind].items()
    ]
    return f"""## 1. Hot path: one call with a fresh token

CPU time of the auth code alone, driven as its library drives it, without network. *{LIMIT.capitalize()}* is what one writes by
hand, as the libraries' documents have it; *once more* is the same object again: what is noise. *Barest* finds its header
made and its names resolved, and in httpx spares a generator: no auth can do less. *{FLOOR.capitalize()}* is that one with
a look at the request's origin, at both clocks and for a 401, written with constants. Of requests' peers none looks at
the response; ours does, by a hook: the rows that include it are what a call costs in all.

![Cost of one call with a fresh token](benchmarks/hot_path.svg)

{table(["stack", "what", "µs", "× static bearer", "aim"], rows)}

An API key is more work: it has to be kept off redirects, which the libraries themselves strip `Authorization` from only.
Against the same header fields set by hand:

{table(["stack", "what", "by hand, µs", "krauth, µs", "ratio"], keys)}"""


def pieces(data: dict[str, Any], folder: Path, found: dict[str, Any]) -> str:
    rows = [[name, f"{one['median']:.0f} [{one['q1']:.0f}–{one['q3']:.0f}]"] for name, one in data.items()]
    hot = found.get("hot_path", {}).get("data", {}).get("token", {})
    sums, floors = [], []
    for stack, names in OVER.items():
        if stack not in hot:
            continue
        seconds = {name: one["seconds"]["median"] * 1e9 for name, one in hot[stack].items()}
        over, known = seconds[OURS] - seconds[BARE], sum(data[name]["median"] for name in names)
        by_hand = seconds[FLOOR] - seconds[BARE]
        sums.append([stack, f"{over:.0f}", f"{by_hand:.0f}", f"{known:.0f}", f"{over - known:+.0f}"])
        floor, mine = (hot[stack][name]["ratio"]["median"] for name in (FLOOR, OURS))
        floors.append(f"{stack} {floor:.2f}× (ours {mine:.2f}×, aim {AIMS[stack]}×)")
    return f"""### What is left, and why

{table(["piece, alone", "ns"], rows)}

{table(["stack", "krauth over the barest, ns", "same duties over the barest, ns", "pieces over the barest, ns", "rest"], sums)}

Over the barest bearer stand two looks at the clock, since a token is over as soon as the wall clock *or* the monotonic
clock says so; the test that the request goes to the credential's origin; and what will see a 401: in requests a hook, in
httpx the rest of the generator, in aiohttp a look at the status. The rest is what makes it an object with settings: its
attributes are looked up where a hand-written function has constants, and aiohttp reaches it through `__call__`.
The same duties by hand, with constants, over the static bearer as one writes it: {"; ".join(floors)}. Where that is above
the aim, the aim can be met only by giving up a duty, the clocks above all, or by writing into the library's private
attributes; neither is done."""


def whole_requests(data: dict[str, Any], folder: Path) -> str:
    def percent(found: dict[str, float]) -> str:
        low, mid, high = ((found[name] - 1) * 100 for name in ("q1", "median", "q3"))
        return f"{mid:+.1f} % [{low:+.1f}, {high:+.1f}]"

    def more(found: dict[str, float]) -> str:
        return f"{found['median']:+.0f} [{found['q1']:+.0f}, {found['q3']:+.0f}]"

    rows = [
        [
            stack,
            us(one[LIMIT]["cpu_seconds"]["median"]),
            percent(one[OURS]["ratio"]),
            percent(one["control"]["ratio"]),
            more(one[OURS]["peak_bytes_more"]),
            more(one["control"]["peak_bytes_more"]),
        ]
        for stack, one in data.items()
    ]
    head = ["stack", "static bearer, µs", "krauth", "control", "krauth, bytes", "control, bytes"]
    return f"""## 2. Whole requests on loopback, keep-alive

CPU time of the client's thread per request, against the same request with a static bearer written by hand. The control
is that same bearer once more, on another client: differences of its size are noise. Bytes: by how much more, or less,
memory rises at its peak during a request (`tracemalloc`).

{table(head, rows)}"""


def counted(found: dict[str, float]) -> str:
    spread = f" [{found['min']}–{found['max']}]" if found["min"] != found["max"] else ""
    return f"{found['median']:.0f}{spread}"


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
                cells.append(f"{counted(asked)} / **{counted(failed)}**")
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

Token requests / **callers that failed** (an exception, or an answer other than 200): median of the runs [least–most]. The
token endpoint takes 50 ms. All begin with an expired token, MSAL, botocore and httpx-auth among processes with none. A dash: not measured,
as told below.

![Token requests of 64 threads](benchmarks/stampede.svg)

{table(["who", "what", "client credentials", "refresh token", "single-use refresh token"], rows)}

- requests-oauthlib with client credentials has users fetch the token themselves; its `fetch_token` empties the token
  first, so that callers in between go without and are refused.
- Authlib's async client holds a lock of one event loop: it cannot be shared among loops, so there each has a client
  of its own that begins with the same refresh token.
- MSAL and httpx-auth are measured with client credentials: they spend refresh tokens too, MSAL of accounts that its own
  sign-in has put into its cache, httpx-auth within its sign-in flows. google-auth's `Credentials` is for refresh tokens.
- Among processes: who has a store that can be shared without further code, and Authlib for comparison."""


def latency(data: dict[str, Any], folder: Path) -> str:
    settings, subjects = data["settings"], data["subjects"]
    rows, plot = [], {}
    for name, runs in subjects.items():
        times = []
        for key in ("p50", "p99", "p999", "max"):
            found = sorted(one[key] for one in runs)
            least, most = ms(found[0]), ms(found[-1])
            times.append(ms(statistics.median(found)) + (f" [{least}–{most}]" if len(found) > 1 else ""))
        refused, asked = (sum(one[key] for one in runs) for key in ("refused", "token_requests"))
        failed = sum(one["n"] - one["statuses"].get("200", 0) for one in runs)
        waited = ", ".join(str(one["waited"]) for one in runs)
        control = ", ".join(ms(one["control"]["max"]) for one in runs)
        rows.append([name, *times, waited, refused, failed, asked, control])
        plot[name] = statistics.median(one["p999"] for one in runs) * 1e3
    bars(folder / "latency.svg", "Latency while tokens are renewed, p99.9", plot, "ms", log=True)
    calls = statistics.median(one["n"] for runs in subjects.values() for one in runs)
    head = [
        "what",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "waited",
        "refused",
        "failed",
        "token requests",
        "control: max ms",
    ]
    return f"""## 4. Latency across a refresh

{settings["runs"]} run(s) of {calls:.0f} calls each, on a schedule of {settings["calls_per_second"]:.0f} a second, from {settings["threads"]} threads or, async, from a task each, over
{settings["lifetimes"]} lifetimes of a token, after the first token is there. The wall clock runs {settings["speed"]:.0f} times as fast, so
that a token of 30 minutes lives {1800 / settings["speed"]:.1f} s and every library keeps its own margins; the token endpoint takes
{settings["token_delay"] * 1e3:.0f} ms. Times are medians of the runs [and their range], counts are sums. *Waited*, run by run: calls
that took longer than {settings["waited_means"] * 1e3:.0f} ms. *Refused*: 401s that the server sent. *Failed*: what callers saw of it. *Control*,
run by run: the slowest of calls that the same process made meanwhile with a static bearer, on a session of its own. In a
run where the control was slow too, or a row of a static bearer, the machine was busy with something else; or, in the one
row where it always is, the subject held up the event loop that both are on. Latency counts from when a call was due. Python's
collector is kept off the modules that were imported (`gc.freeze`): its full passes stop everybody, the static bearers
too, for 10 to 20 ms.

![Latency while tokens are renewed](benchmarks/latency.svg)

{table(head, rows)}"""


def loop_lag(data: dict[str, Any], folder: Path) -> str:
    def spread(found: dict[str, float]) -> str:
        return f"{ms(found['median'])} [{ms(found['q1'])}–{ms(found['q3'])}]"

    rows = [[name, *[spread(one[key]) for key in ("fetch", "control", "difference")]] for name, one in data.items()]
    return f"""## 5. Event-loop lag during a token fetch

A 1 ms ticker's worst lateness while a process's first token is fetched, ours with a Naver secret of cost 10 (some 60 ms
of bcrypt), over the wire, from a token endpoint that takes 50 ms. Every repeat is a new process; the control is a run
in the same process, just before, without a fetch. The auth object and the client of the API call are made before, and
another client has made one call, so that what is imported for any first request does not count. What the fetch itself
makes first does: in krauth late imports, the search for plugins, and for token requests a client or session of its own;
in httpx-auth a client, too. Authlib sends its token requests with the client of the API calls. *bcrypt on the
loop* is that hash alone, where it should not be.

{table(["what", "worst lag, ms", "control, ms", "difference, ms"], rows)}

A thread that runs Python gives the interpreter's lock away only after 5 ms (`sys.getswitchinterval`), and ticker, hash and
server share the CPUs: differences up to some 5 ms come with any work in a thread."""


def startup(data: dict[str, Any], folder: Path) -> str:
    from .startup import ADAPTERS, FIRST_OBJECT

    def spread(found: dict[str, float], factor: float = 1e3, digits: int = 1) -> str:
        low, mid, high = (f"{found[name] * factor:.{digits}f}" for name in ("q1", "median", "q3"))
        return f"{mid} [{low}–{high}]"

    rows = []
    for name, one in data["imports"].items():
        share = spread(one["share"], 100) if "share" in one else ""
        module, suffix, _ = name.partition(FIRST_OBJECT)
        bare, spent = ms(one["bare_seconds"]["median"]), spread(one["seconds"])
        rows.append([f"`{module}`{suffix}", one["over"], bare, spent, share, one["modules"]])
    first = [
        [library, name, spread(one["seconds"]), ratio(one["ratio"])]
        for library, programs in data["first_token_cpu"].items()
        for name, one in programs.items()
    ]
    along = "; ".join(
        f"`{module}`: {', '.join(data['imports'][module]['foreign_modules']) or 'none'}" for module in ADAPTERS
    )
    dear = [
        [f"`{module}`", ", ".join(f"{one['module']} {one['us'] / 1000:.1f}" for one in found[:6])]
        for module, found in data["trees"].items()
    ]

    def verdicts(suffix: str) -> str:
        found = []
        for module in ADAPTERS:
            one = data["imports"][module + suffix]
            spent, share = one["seconds"]["median"] * 1e3, one["share"]["median"] * 100
            verdict = {(True, True): "met", (True, False): "the 5 ms only", (False, True): "the 5 % only"}
            found.append(
                f"`{module}` {verdict.get((spent <= 5, share <= 5), 'missed')} ({spent:.1f} ms, {share:.1f} %)"
            )
        return "; ".join(found)

    extras = data["extras"]
    return f"""## 6. Start-up

CPU time of an import after the bare library has been imported, byte code compiled, in ms and in % of the bare import;
and modules that it adds. Aim: 5 ms and 5 %. (`krauth` by itself loads its names when they are asked for; it is measured
over `typing`, which every library imports. A *first auth object* is the import and a `NaverAuth`.)

{table(["import", "over", "bare, ms", "ms", "%", "modules"], rows)}

The aim, by the medians. Import: {verdicts("")}. With the first auth object: {verdicts(FIRST_OBJECT)}.

Modules that are not ours and come along with the import: {along}.

The dearest modules of ours by their own time, ms under `-X importtime`, which makes everything slower:

{table(["import", "modules"], dear)}

From cold: CPU time, user and system, of a whole process that obtains a token and makes one call, and its ratio to the
static bearer's of the same round:

{table(["library", "what", "ms", "× static bearer"], first)}

Where our extra goes, besides import and auth object, CPU ms:

- finding and loading plugins by entry points, at the first token: {spread(extras["plugins, requests"])} with requests,
  {spread(extras["plugins, httpx"])} with httpx;
- a second `httpx.Client()`, mostly its TLS context, since token requests have a client of their own:
  {spread(extras["httpx.Client()"])} (httpx alone)."""


def scale(data: list[dict[str, Any]], folder: Path) -> str:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "krauth"
    from matplotlib import pyplot as plt

    def rows(*cells: Callable[[dict[str, Any]], object]) -> list[list[object]]:
        return [[f"{one['count']:,}", *[cell(one) for cell in cells]] for one in data]

    def draw(axes: Any, lines: dict[str, str], factor: float, unit: str) -> None:
        for key, label in lines.items():
            axes.plot([one["count"] for one in data], [one[key] * factor for one in data], marker="o", label=label)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("auth objects in one process", fontsize=9)
        axes.set_title(unit, fontsize=9)
        axes.legend(fontsize=8)
        axes.grid(visible=True, alpha=0.3)

    figure, (each, memory, storms) = plt.subplots(1, 3, figsize=(11, 3.4))
    draw(
        each,
        {"creation_seconds": "creation", "call_seconds": "a call", "peek_seconds": "reading the token"},
        1e6,
        "CPU time for each object, µs",
    )
    draw(
        memory,
        {"resident_idle": "idle", "resident_with_token": "with a token each"},
        1 / 2**20,
        "resident memory of the process, MiB",
    )
    memory.set(yscale="linear", ylim=0)
    draw(
        storms,
        {"first_seconds": "first tokens of all", "refresh_seconds": "refresh of all"},
        1,
        "time until all have a token, s",
    )
    figure.tight_layout()
    figure.savefig(folder / "scale.svg", metadata={"Date": None})
    plt.close(figure)
    single = rows(
        lambda one: us(one["creation_seconds"]),
        lambda one: f"{one['bytes_each_idle']:,.0f}",
        lambda one: f"{one['bytes_each_with_token']:,.0f}",
        lambda one: f"{one['resident_with_token'] / 2**20:.0f}",
        lambda one: one["threads_idle"],
        lambda one: f"{one['peek_seconds'] * 1e9:.0f}",
        lambda one: us(one["call_seconds"]),
    )
    first = rows(
        lambda one: f"{one['first_seconds']:.3g}",
        lambda one: ms(one["first_cpu_seconds_each"]),
        lambda one: f"{one['first_token_requests']:g}",
        lambda one: f"{one['threads_after_first']:.0f}",
    )
    refresh = rows(
        lambda one: f"{one['refresh_seconds']:.3g}",
        lambda one: ms(one["refresh_cpu_seconds_each"]),
        lambda one: f"{one['refresh_token_requests']:g}",
        lambda one: f"{one['threads_after_calls']:.0f}",
        lambda one: us(one["refresh_call_cpu_seconds"]),
        lambda one: " / ".join(f"{one[f'refresh_call_{key}'] * 1e3:.2f}" for key in ("p50", "p99", "slowest")),
        lambda one: " / ".join(f"{one[f'refresh_control_{key}'] * 1e3:.2f}" for key in ("p50", "p99", "slowest")),
    )
    return f"""## 7. Scale: a fleet of sellers in one process

`NaverAuth.for_account` for each seller. Creation, reading the token (`peek`) and a call (`auth(request)`, requests) are
averaged over at least 1,000 operations, fewer objects being made and used several times; the objects are used in random
order, so that of many of them the caches hold none. Bytes are what Python allocates for one object (of 10,000 at most;
of 1,000 once they have a token); resident is the whole process, all objects with a token.

![Growth with the number of auth objects](benchmarks/scale.svg)

{table(["objects", "creation, µs", "bytes each, idle", "with a token", "resident, MiB", "threads, idle", "reading the token, ns", "a call, µs"], single)}

**First tokens**: all are asked for at once, from 16 threads, as after a pause of hours. The token endpoint answers at
once; a signature of cost 4 is some 1 ms of CPU and most of what is left. Of fewer than 100 objects: means of several
storms.

{table(["objects", "s until all have one", "CPU ms each", "token requests", "threads"], first)}

**Refresh**: all tokens come due at the same moment, and one thread makes a call with each object. A call begins the
renewal, which at most 32 worker threads see to, and goes on with the old token. What slows some calls down is the CPU and
the interpreter's lock, which it shares with these threads: as control stands beside it the preparing of the request, code
of requests that takes somewhat longer and waits for nothing else. The first calls also start such a thread each, which
Python has them wait for.

{table(["objects", "s until all are renewed", "CPU ms each", "token requests", "threads", "a call: CPU µs", "p50 / p99 / slowest, ms", "control: p50 / p99 / slowest, ms"], refresh)}"""


def stores(data: dict[str, Any], folder: Path) -> str:
    def cell(found: dict[str, float], show: Callable[[float], str]) -> str:
        return f"{show(found['median'])} [{show(found['min'])}–{show(found['max'])}]"

    rows = []
    for name, counts in data.items():
        if isinstance(counts, str):
            rows.append([name, counts, *[""] * 4])
            continue
        for count, operations in counts.items():
            for operation, one in operations.items():
                rate = cell(one["per_second"], lambda value: f"{value:,.0f}")
                rows.append([name, count, operation, cell(one["p50"], us), cell(one["p99"], us), rate])
    return f"""## 8. Stores

Medians of three measurements; the brackets hold the least and the most. The rate is that of all processes together,
which begin each operation at the same time; each has a key of its own. A lease is acquired and released. SQLite's saves
and leases are durable: they wait for the disk, and sixteen processes that write without a pause mostly for each other.

With a fresh token in memory no store is asked. Only who waits for a token meets these times: the first caller, or a
renewal in the background, on nobody's time.

{table(["store", "processes", "operation", "p50, µs", "p99, µs", "operations a second"], rows)}"""


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
