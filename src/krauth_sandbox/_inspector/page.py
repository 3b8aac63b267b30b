"""The inspector's page as HTML: plain forms that work without JavaScript; `assets` has its style and its script."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from .assets import SCRIPT, STYLE
from .words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._ground.record import RecordedRequest
    from .._server.emulator import Emulator, LiveToken

_SHOWN: Final = 50
_NAMES: Final = {"naver": "Naver", "meloming": "Meloming"}
#: Offsets of the server's clock that buttons offer, in seconds.
_OFFSETS: Final = (-400, 0, 400)
#: Seconds that buttons let pass, with their labels.
_STEPS: Final = (
    (3_600, ("hours", 1)),
    (9_060, ("half_hours", 0)),
    (10_800, ("hours", 3)),
    (7 * 86_400, ("days", 7)),
    (180 * 86_400, ("days", 180)),
)


@dataclass(frozen=True, slots=True)
class View:
    """How the page is asked for."""

    language: str
    show: bool
    """Show secrets and tokens."""
    token: str
    """What every form of the page carries, so that no other page can send one."""
    nonce: str
    """For the page's own style and script (Content Security Policy)."""
    addresses: Mapping[str, str]
    """Environment variables that say where the APIs are."""
    notice: str = ""
    problem: bool = False

    def link(self, **changes: str) -> str:
        """Return the page's address with these parameters changed; "" leaves one out."""
        query = {"lang": self.language, "show": "secrets" if self.show else "", **changes}
        return "/?" + urlencode({name: value for name, value in query.items() if value})


def inspector_page(emulators: Sequence[Emulator], view: View) -> str:
    """Write the page."""
    words = Words(view.language)
    form = _Forms(view)
    other = "en" if view.language == "ko" else "ko"
    nonce = f'nonce="{escape(view.nonce)}"'
    secrets = view.link(show="" if view.show else "secrets")
    parts = [
        _tokens(emulators, view, words, form),
        _requests(emulators, words),
        _clock(emulators, words, form),
        *(_faults(emulator, words, form) for emulator in emulators),
        *(_switches(emulator, words, form) for emulator in emulators),
        _credentials(emulators, view, words),
    ]
    return f"""<!doctype html>
<html lang="{view.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{words("title")}</title><style {nonce}>{STYLE}</style></head>
<body><header><h1>{words("title")}</h1><nav>
<a class="noscript" href="{escape(view.link())}">{words("reload")}</a>
<a id="secrets" href="{escape(secrets)}">{words("hide" if view.show else "show")}</a>
<a id="language" lang="{other}" href="{escape(view.link(lang=other))}">{words("other_language")}</a></nav></header>
<p>{words("lead")}</p>
<p id="offline" class="bad" hidden>{words("offline")}</p>
<p id="notice" role="status"{' class="bad"' if view.problem else ""}>{escape(view.notice)}</p>
<main>{"".join(parts)}</main>
<script {nonce}>{SCRIPT}</script></body></html>
"""


class _Forms:
    """Buttons and fields in forms."""

    def __init__(self, view: View) -> None:
        fields = {"token": view.token, "lang": view.language, "show": "secrets" if view.show else ""}
        self._hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items()
        )

    def group(self, *buttons: str) -> str:
        """Return buttons that share a form."""
        return f'<form method="post" action="/">{self._hidden}{" ".join(buttons)}</form>'

    def button(
        self,
        provider: str,
        action: str,
        label: str,
        parameters: Mapping[str, str] | None = None,
        *,
        pressed: bool | None = None,
    ) -> str:
        """Return a button that does a control action."""
        value = f"{provider}/{action}?{urlencode(parameters or {})}"
        state = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
        return f'<button name="do" value="{escape(value)}"{state}>{escape(label)}</button>'

    def field(self, provider: str, action: str, name: str, label: str, button: str, value: str = "") -> str:
        """Return a number field with its button."""
        field = (
            f'<input name="{name}" value="{escape(value)}" aria-label="{escape(label)}" placeholder="{escape(label)}"'
            ' inputmode="decimal" autocomplete="off">'
        )
        return self.group(field, self.button(provider, action, button))


def _section(name: str, title: str, content: str, *, live: bool = True) -> str:
    attribute = " data-live" if live else ""
    return f'<section><h2>{escape(title)}</h2><div id="{name}"{attribute}>{content}</div></section>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


# ---- tokens and requests -----------------------------------------------------------------------------------


def _tokens(emulators: Sequence[Emulator], view: View, words: Words, form: _Forms) -> str:
    rows = [_token_row(token, view, words) for emulator in emulators for token in reversed(emulator.tokens())]
    heads = [words(name) for name in ("provider", "kind", "whom", "scope", "token", "left")]
    content = _table(heads, rows[:200]) if rows else f"<p>{words('no_tokens')}</p>"
    buttons = [
        form.button(emulator.provider, "revoke", words("revoke_all", name=_NAMES[emulator.provider]))
        for emulator in emulators
    ]
    buttons.append(form.button("meloming", "revoke", words("revoke_access", name="Meloming"), {"what": "access"}))
    return _section("tokens", words("tokens"), f'{content}<div class="row">{form.group(*buttons)}</div>')


def _token_row(token: LiveToken, view: View, words: Words) -> list[str]:
    value = escape(token.value) if view.show else words("hidden", n=len(token.value))
    return [
        _NAMES[token.provider],
        words(token.kind),
        escape(token.whom),
        escape(token.scope),
        f'<span class="mono">{value}</span>',
        f'<time data-left="{token.seconds_left:.0f}">{_clock_of(token.seconds_left, words)}</time>',
    ]


def _clock_of(seconds: float, words: Words) -> str:
    days, rest = divmod(max(0, int(seconds)), 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return clock if not days else f"{words('days', n=days)} {clock}"


def _requests(emulators: Sequence[Emulator], words: Words) -> str:
    counts = "".join(f"<p>{words('counts', **{**one.state(), 'name': _NAMES[one.provider]})}</p>" for one in emulators)
    records = sorted((record for one in emulators for record in one.requests[-_SHOWN:]), key=lambda record: -record.at)
    rows = [_request_row(record, words) for record in records[:_SHOWN]]
    heads = [words(name) for name in ("at", "provider", "request", "status", "wrong")]
    content = _table(heads, rows) if rows else f"<p>{words('no_requests')}</p>"
    return _section("requests", words("requests"), counts + content)


def _request_row(record: RecordedRequest, words: Words) -> list[str]:
    status = str(record.status) if record.status else words("dropped")
    # The path without its query, in which an authorization code may stand.
    path = escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in record.path[:200]))
    version = record.headers.get("Meloming-Version")
    note = f" <span>Meloming-Version: {escape(version[:40])}</span>" if version and version.isprintable() else ""
    return [
        f'<span class="nowrap mono">{time.strftime("%H:%M:%S", time.localtime(record.at))}</span>',
        _NAMES[record.provider],
        f"<code>{escape(record.method[:20])} {path}</code>{note}",
        f'<span class="nowrap s{record.status // 100}">{escape(status)}</span>',
        escape(words.wrong(record.wrong)) if record.wrong is not None else words("nothing_wrong"),
    ]


# ---- clock, faults, switches -------------------------------------------------------------------------------


def _clock(emulators: Sequence[Emulator], words: Words, form: _Forms) -> str:
    times = "".join(
        "<p>"
        + words(
            "server_time",
            name=_NAMES[one.provider],
            time=f"<time>{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(one.wall()))}</time>"
            f" ({one.clock_offset:+g} s)",
        )
        + "</p>"
        for one in emulators
    )
    offsets = [
        form.button(
            "both",
            "clock",
            words("offset_by", seconds=f"{one:+}") if one else words("offset_right"),
            {"offset": str(one)},
        )
        for one in _OFFSETS
    ]
    steps = [
        form.button("naver", "advance", words(label, n=count), {"seconds": str(seconds)})
        for seconds, (label, count) in _STEPS
    ]
    return (
        _section("clock", words("clock"), times)
        + f'<div class="row">{words("offset")}: {form.group(*offsets)}'
        + form.field("both", "clock", "offset", words("seconds"), words("set"))
        + f'</div><div class="row">{words("advance")}: {form.group(*steps)}'
        + form.field("naver", "advance", "seconds", words("seconds"), words("go"))
        + "</div>"
    )


def _faults(emulator: Emulator, words: Words, form: _Forms) -> str:
    provider = emulator.provider
    pending = [
        f"{fault['fault']} ({words('token_endpoint') if where == 'token' else words('api')},"
        f" {words('always') if fault['times'] is None else fault['times']})"
        for where, faults in emulator.state()["faults"].items()
        for fault in faults
    ]
    state = words("queued", list=escape(", ".join(pending))) if pending else words("queued_none")

    def buttons(action: str, where: str, **parameters: str) -> str:
        return form.group(
            form.button(provider, action, words("once"), {"where": where, **parameters}),
            form.button(provider, action, words("always"), {"where": where, "times": "always", **parameters}),
        )

    rows = [
        [f"{status} <code>{escape(code)}</code>", buttons("fail", "token", code=code), ""]
        for code, status in emulator.token_codes.items()
    ]
    rows += [
        [f"{status} <code>{escape(code)}</code>", *(buttons("fail", where, code=code) for where in ("token", "api"))]
        for code, status in emulator.codes.items()
    ]
    rows += [
        [words(label), *(buttons("drop", where, processed=processed) for where in ("token", "api"))]
        for label, processed in (("drop", "false"), ("drop_processed", "true"))
    ]
    rows.append(
        [
            words("delay"),
            *(
                form.group(form.button(provider, "delay", words("always"), {"where": where, "seconds": "3"}))
                for where in ("token", "api")
            ),
        ]
    )
    title = words("faults", name=_NAMES[provider])
    heads = [words("fault"), words("token_endpoint"), words("api")]
    return (
        f'<details id="faults-{provider}"><summary>{title}</summary><p>{words("faults_lead")}</p>'
        f'<p id="queued-{provider}" data-live>{state}</p>'
        f'<div class="row">{form.group(form.button(provider, "clear", words("clear")))}</div>'
        f"{_table(heads, rows)}</details>"
    )


def _switches(emulator: Emulator, words: Words, form: _Forms) -> str:
    provider = emulator.provider
    rows = []
    for name, switch in emulator.switches().items():
        if switch.parse is None:
            continue
        value = _text(getattr(emulator, name))
        if switch.choices:
            choices = [
                form.button(provider, "switch", _label(one, words), {name: one}, pressed=one == value)
                for one in switch.choices
            ]
            control = form.group(*choices)
        else:
            control = form.field(provider, "switch", name, words.switch(name), words("set"), value)
        rows.append([f"{words.switch(name)}<br><code>{name}</code>", control])
    buttons = [
        form.button(provider, "reissue", words("reissue")),
        form.button(provider, "renew", words("renew")),
        form.button(provider, "reset", words("reset")),
    ]
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<details id="switches-{provider}"><summary>{words("switches", name=_NAMES[provider])}</summary>'
        f'<div class="row">{form.group(*buttons)}</div>'
        f'<div id="values-{provider}" data-live class="scroll"><table>{body}</table></div></details>'
    )


def _label(choice: str, words: Words) -> str:
    return words(choice) if choice in ("true", "false") else choice


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _credentials(emulators: Sequence[Emulator], view: View, words: Words) -> str:
    lines = dict(view.addresses)
    for emulator in emulators:
        for name, value in emulator.credentials().items():
            secret = name.endswith(("_SECRET", "_KEY"))
            lines[name] = value if view.show or not secret else words("hidden", n=len(value))
    content = "\n".join(f"{name}={_quoted(value)}" for name, value in lines.items())
    return _section("credentials", words("credentials"), f"<p>{words('paste')}</p><pre>{escape(content)}</pre>")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"
