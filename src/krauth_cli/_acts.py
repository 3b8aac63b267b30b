"""The acts of the demo: each does one thing with every stack, and enters in the report what the sandbox counted.

`_lanes` sends, `_report` prints, `_phrases` has the words.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ._failure import printable
from ._lanes import TIMEOUT, Answer, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from krauth_sandbox import Emulator, RecordedRequest, Sandbox

    from ._report import Claim, Report

#: How many calls show that a token is reused.
REUSES: Final = 20
#: Seconds that a token lives in the act in which tokens expire, in place of three hours (Naver) and one (Meloming).
LIFETIME: Final = 7.0
#: Seconds that the token endpoints take to answer in that act.
TOKEN_DELAY: Final = 0.3
#: Callers for each client, and the seconds between two calls of one, in that act.
CALLERS: Final = 2
PACE: Final = 0.2
SONG: Final = json.dumps({"title": "밤편지", "artist": "krauth"}, ensure_ascii=False).encode()


class Provider(NamedTuple):
    """What the acts need to know of one API."""

    name: str
    read_path: str
    write_path: str
    #: Seconds that its tokens live, as documented.
    lifetime: float

    def url(self, sandbox: Sandbox, path: str | None = None) -> str:
        """Return the URL of a call."""
        return (sandbox.naver_url if self.name == "naver" else sandbox.meloming_url) + (path or self.read_path)

    def emulator(self, sandbox: Sandbox) -> Emulator:
        """Return the server, with its counters and switches."""
        return sandbox.naver if self.name == "naver" else sandbox.meloming

    def auth(self, stack: Stack, sandbox: Sandbox, *, secret: str | None = None, **settings: Any) -> Any:
        """Make an auth object of the stack; `secret` in place of the right one."""
        if self.name == "naver":
            return stack.auth(
                "NaverAuth",
                sandbox.naver_client_id,
                secret or sandbox.naver_client_secret,
                base_url=sandbox.naver_url,
                **settings,
            )
        return stack.auth(
            "MelomingOAuth",
            sandbox.meloming_client_id,
            secret or sandbox.meloming_client_secret,
            base_url=sandbox.meloming_url,
            **settings,
        )


NAVER: Final = Provider("naver", "/v1/seller/account", "/v2/products", 10_800.0)
MELOMING: Final = Provider("meloming", "/v1/channels/1", "/v1/channels/1/songs", 3_600.0)
PROVIDERS: Final = (NAVER, MELOMING)


@dataclass
class Stage:
    """A stack and the sandbox it plays with: one each, so that counts are nobody else's."""

    stack: Stack
    sandbox: Sandbox


class Watch:
    """What an emulator has seen since the watch was made."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._token_requests, self._api_requests = emulator.token_requests, emulator.api_requests
        self._tokens_issued, self._records = emulator.tokens_issued, len(emulator.requests)

    @property
    def token_requests(self) -> int:
        """How many requests reached the token endpoint."""
        return self.emulator.token_requests - self._token_requests

    @property
    def api_requests(self) -> int:
        """How many requests reached the API."""
        return self.emulator.api_requests - self._api_requests

    @property
    def tokens_issued(self) -> int:
        """How many new tokens were issued."""
        return self.emulator.tokens_issued - self._tokens_issued

    @property
    def records(self) -> list[RecordedRequest]:
        """The requests, oldest first; good for the first 2,000 after a reset."""
        return self.emulator.requests[self._records :]


def is_token_request(record: RecordedRequest) -> bool:
    """Tell a token request from a call."""
    return record.method == "POST" and record.path.endswith(("/oauth2/token", "/oauth/token"))


class Acts:
    """Everything the demo does, in order."""

    def __init__(self, report: Report, stages: list[Stage]) -> None:
        self.report = report
        self.say = report.say
        self.stages = stages

    def play(self) -> None:
        """Play every act; one that fails does not keep the others from being played."""
        for act in (self.obtain, self.reuse, self.renew, self.recover, self.crowd, self.refuse, self.open):
            for stage in self.stages:
                stage.sandbox.reset()
            act()

    # ---- 1 ---------------------------------------------------------------------------------------------

    def obtain(self) -> None:
        """The first call obtains a token."""
        claim = self.report.act("obtain", self.say("obtain"), self.say("obtain_note"))
        claim.seen = self.say("obtain_seen")
        self._columns()

        def play(stage: Stage, provider: Provider) -> tuple[bool, str]:
            watch = Watch(provider.emulator(stage.sandbox))
            with stage.stack.open(provider.auth(stage.stack, stage.sandbox)) as lane:
                answer = lane.call("GET", provider.url(stage.sandbox))
            kept = answer.status == 200 and watch.token_requests == 1 and watch.api_requests == 1
            took = f"{1000 * answer.seconds:.0f} ms"
            return kept, f"{self._trace(watch.records)}  {took if kept else self._counters(watch)}"

        self._each(claim, play)

    # ---- 2 ---------------------------------------------------------------------------------------------

    def reuse(self) -> None:
        """Further calls need no token request."""
        claim = self.report.act("reuse", self.say("reuse", calls=REUSES), self.say("reuse_note"))
        claim.seen = self.say("reuse_seen", calls=REUSES)
        self._columns()

        def play(stage: Stage, provider: Provider) -> tuple[bool, str]:
            with stage.stack.open(provider.auth(stage.stack, stage.sandbox)) as lane:
                url = provider.url(stage.sandbox)
                lane.call("GET", url)
                watch = Watch(provider.emulator(stage.sandbox))
                answers = [lane.call("GET", url) for _ in range(REUSES)]
            return self._counted(watch, answers, tokens=0)

        self._each(claim, play)

    # ---- 3 ---------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Tokens expire in fast time, and are renewed while calls go on."""
        lanes = [_Renewal(stage, provider) for stage in self.stages for provider in PROVIDERS]
        note = self.say("renew_note", lifetime=f"{LIFETIME:g}", delay=f"{TOKEN_DELAY:g}")
        claim = self.report.act("renew", self.say("renew"), note)
        with ThreadPoolExecutor(len(lanes)) as pool:
            outcomes = [pool.submit(lane.run) for lane in lanes]
            try:
                for lane in lanes:
                    lane.ready.wait(TIMEOUT)
                began = time.monotonic()
                for lane in lanes:
                    lane.begin(until=began + LIFETIME + 0.5)
                rate = round(CALLERS / PACE * len(lanes))
                self.report.moment(0.0, self.say("renew_start", lanes=len(lanes), rate=rate))
                dead = self._watch_renewals(began, lanes)
                for outcome in outcomes:
                    outcome.result()
            except BaseException:  # Ctrl-C: leave at once
                for lane in lanes:
                    lane.stop()
                raise
        during = sum(lane.during for lane in lanes)
        fast_time = dead == "GW.AUTHN" and during > 0
        good = all(lane.kept for lane in lanes) and fast_time
        self.report.moment(time.monotonic() - began, self.say("renew_end" if good else "renew_end_bad"))
        for stage in self.stages:
            mine = [lane for lane in lanes if lane.stage is stage]
            kept = all(lane.kept for lane in mine) and fast_time
            text = self._renewal(mine)
            self.report.row(claim, stage.stack, [text], None if kept else text)
        claim.seen = f"{self._renewal(lanes)}; {self.say('renew_during', during=during)}"

    def _watch_renewals(self, began: float, lanes: list[_Renewal]) -> str:
        """Tell what happens while it happens; return what the first token is worth at the end."""
        first = done = False
        while (now := time.monotonic() - began) < LIFETIME + 0.1:
            asked = sum(lane.watch.token_requests > 0 for lane in lanes)
            issued = sum(lane.watch.tokens_issued > 0 for lane in lanes)
            if asked and not first:
                first = True
                self.report.moment(now, self.say("renew_first"))
            if issued == len(lanes) and not done:
                done = True
                self.report.moment(now, self.say("renew_all", lanes=len(lanes)))
            time.sleep(0.02)
        dead = self._guard(lambda: (True, lanes[0].probe()))[1]
        self.report.moment(now, self.say("renew_dead", code=dead))
        return dead

    def _renewal(self, lanes: list[_Renewal]) -> str:
        errors = [lane.error for lane in lanes if lane.error]
        if errors:
            return errors[0]
        answers = [answer for lane in lanes for answer in lane.answers]
        text = self.say(
            "renew_seen",
            calls=len(answers),
            waited=sum(lane.waited for lane in lanes),
            bad=sum(answer.status != 200 for answer in answers),
            ms=round(1000 * max(answer.seconds for answer in answers)),
        )
        wrong = [lane.watch.tokens_issued for lane in lanes if lane.watch.tokens_issued != 1]
        return text + (f"; {self.say('renew_bad', renewed=wrong[0])}" if wrong else "")

    # ---- 4 ---------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """All tokens are revoked at the server: 401, one new token, one retry."""
        # By hand first, to show what the servers say of a revoked token.
        codes = {provider.name: self._refusal_of(provider) for provider in PROVIDERS}
        claim = self.report.act("recover", self.say("recover"), self.say("recover_note", **codes))
        claim.seen = self.say("recover_seen")
        self._columns()

        def play(stage: Stage, provider: Provider) -> tuple[bool, str]:
            emulator = provider.emulator(stage.sandbox)
            with stage.stack.open(provider.auth(stage.stack, stage.sandbox)) as lane:
                lane.call("GET", provider.url(stage.sandbox))
                emulator.revoke_all()
                watch = Watch(emulator)
                if provider is NAVER:
                    answer = lane.call("GET", provider.url(stage.sandbox))
                else:
                    answer = lane.call("POST", provider.url(stage.sandbox, provider.write_path), SONG)
            records = watch.records
            steps = ["token" if is_token_request(record) else str(record.status) for record in records]
            intact = all(
                record.body == SONG for record in records if record.method == "POST" and not is_token_request(record)
            )
            done = "200" if provider is NAVER else "201"
            kept = (
                steps == ["401", "token", done] and str(answer.status) == done and watch.token_requests == 1 and intact
            )
            kept = kept and codes[provider.name] == _REFUSALS[provider.name]
            text = self._trace(records) + ("" if intact else f"  {self.say('body_lost')}")
            return kept, text if kept else f"{text}  {self._counters(watch)}"

        self._each(claim, play)

    def _refusal_of(self, provider: Provider) -> str:
        stage = self.stages[0]
        try:
            token = provider.auth(stage.stack, stage.sandbox).token().access_token
        except Exception as error:  # noqa: BLE001  it is what the demo has to show
            return describe(error)
        provider.emulator(stage.sandbox).revoke_all()
        return " ".join(map(str, probe(provider.url(stage.sandbox), token)))

    # ---- 5 ---------------------------------------------------------------------------------------------

    def crowd(self) -> None:
        """Many callers at once, and no token."""
        claim = self.report.act("crowd", self.say("crowd"), self.say("crowd_note"))
        claim.seen = self.say("crowd_seen")
        self._columns()

        def play(stage: Stage, provider: Provider) -> tuple[bool, str]:
            emulator = provider.emulator(stage.sandbox)
            emulator.token_delay = 0.1  # so that everybody is there before the token is
            watch = Watch(emulator)
            with stage.stack.open(provider.auth(stage.stack, stage.sandbox)) as lane:
                answers = lane.at_once(stage.stack.crowd, "GET", provider.url(stage.sandbox))
            return self._counted(watch, answers, tokens=1)

        self._each(claim, play)

    # ---- 6 ---------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """A wrong secret, and what is said about it."""
        import bcrypt

        claim = self.report.act("refuse", self.say("refuse"), self.say("refuse_note"))
        claim.seen = self.say("refuse_seen")
        messages: dict[str, str] = {}
        results: list[tuple[Stage, bool, str]] = []
        for stage in self.stages:
            seen: list[tuple[bool, str]] = []
            for provider in PROVIDERS:
                # Well-formed, and not the right one: a malformed one is refused before anything is sent.
                secret = bcrypt.gensalt(4, prefix=b"2a").decode() if provider is NAVER else "wrong-" + "5ecret" * 5
                seen.append(self._guard(lambda p=provider, s=stage, w=secret: self._refused(s, p, w, messages)))  # type: ignore[misc]
            bad = [text for kept, text in seen if not kept]
            results.append((stage, not bad, bad[0] if bad else self.say("refuse_row")))
        for provider in PROVIDERS:
            self.report.quote(self.say(provider.name), messages.get(provider.name, self.say("no_error")))
        for stage, kept, text in results:
            self.report.row(claim, stage.stack, [text], None if kept else text)

    def _refused(self, stage: Stage, provider: Provider, secret: str, messages: dict[str, str]) -> tuple[bool, str]:
        from krauth import InvalidClientError

        watch = Watch(provider.emulator(stage.sandbox))
        caught: Exception | None = None
        with _log_lines() as lines:
            auth = provider.auth(stage.stack, stage.sandbox, secret=secret)
            with stage.stack.open(auth) as lane:
                try:
                    lane.call("GET", provider.url(stage.sandbox))
                except Exception as error:  # noqa: BLE001  it is what the demo has to show
                    caught = error
        if caught is not None:
            messages.setdefault(provider.name, f"{type(caught).__name__}: {caught}")
        fields = dict(parse_qsl(watch.records[0].body.decode())) if watch.records else {}
        secrets = [secret, fields.get("client_secret_sign") or secret]
        places = {
            "message": f"{caught} {caught!r}",
            "traceback": "".join(traceback.format_exception(caught)) if caught else "",
            "log": "\n".join(lines),
            "repr": repr(auth),
        }
        leaks = [place for place, text in places.items() if any(one in text for one in secrets)]
        kept = (
            isinstance(caught, InvalidClientError)
            and watch.token_requests == 1
            and watch.api_requests == 0
            and not leaks
        )
        return kept, self.say(
            "refuse_row_bad",
            error=type(caught).__name__ if caught else self.say("no_error"),
            tokens=watch.token_requests,
            calls=watch.api_requests,
            leaks=", ".join(leaks) or self.say("none"),
        )

    # ---- 7 ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Meloming: a read without token, a write with one, an API key beside both."""
        claim = self.report.act("open", self.say("open"), self.say("open_note"))
        claim.seen = self.say("open_seen")

        def play(stage: Stage) -> tuple[bool, str]:
            sandbox = stage.sandbox
            key = sandbox.meloming_api_key
            watch = Watch(sandbox.meloming)
            auth = MELOMING.auth(stage.stack, sandbox, api_key=key, anonymous_reads=True)
            with stage.stack.open(auth) as lane:
                read = lane.call("GET", MELOMING.url(sandbox))
                without = watch.token_requests
                written = lane.call("POST", MELOMING.url(sandbox, MELOMING.write_path), SONG)
            calls = [record for record in watch.records if not is_token_request(record)]
            carried = [self._carried(record, key) for record in calls]
            good = [self.say("key"), f"{self.say('key')} + {self.say('bearer')}"]
            kept = carried == good and (read.status, written.status, without, watch.token_requests) == (200, 201, 0, 1)
            texts = [f"{what} → {answer.status}" for what, answer in zip(carried, (read, written), strict=True)]
            text = self.say("open_row", read=texts[0], write=texts[1])
            return kept, text if kept else f"{text}  {self._counters(watch)}"

        for stage in self.stages:
            kept, text = self._guard(lambda s=stage: play(s))  # type: ignore[misc]
            self.report.row(claim, stage.stack, [text], None if kept else text)

    def _carried(self, record: RecordedRequest, key: str) -> str:
        found = []
        if record.headers.get("X-API-Key") == key:
            found.append(self.say("key"))
        if record.headers.get("Authorization", "").startswith("Bearer "):
            found.append(self.say("bearer"))
        return " + ".join(found) or self.say("no_credential")

    # ---- what acts share -------------------------------------------------------------------------------

    def _columns(self) -> None:
        self.report.columns(*(self.say(provider.name) for provider in PROVIDERS))

    def _each(self, claim: Claim, play: Callable[[Stage, Provider], tuple[bool, str]]) -> None:
        """Play an act with each stack and provider, one after the other, and print a row for each stack."""
        for stage in self.stages:
            seen = [self._guard(lambda s=stage, p=provider: play(s, p)) for provider in PROVIDERS]  # type: ignore[misc]
            wrong = [
                f"{self.say(provider.name)}: {text}"
                for provider, (kept, text) in zip(PROVIDERS, seen, strict=True)
                if not kept
            ]
            cells = [", ".join(wrong)] if wrong else [text for _, text in seen]
            self.report.row(claim, stage.stack, cells, ", ".join(wrong) or None)

    def _guard(self, play: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
        try:
            return play()
        except Exception as error:  # noqa: BLE001  whatever it is, the claim does not hold, and the demo goes on
            return False, describe(error)

    def _counted(self, watch: Watch, answers: list[Answer], *, tokens: int) -> tuple[bool, str]:
        bad = sum(answer.status != 200 for answer in answers)
        if bad:
            return False, self.say("not_200", bad=bad, calls=len(answers))
        kept = watch.token_requests == tokens and watch.api_requests == len(answers)
        name = "counted_calls_1" if watch.token_requests == 1 else "counted_calls"
        return kept, self.say(name, calls=watch.api_requests, tokens=watch.token_requests)

    def _trace(self, records: list[RecordedRequest]) -> str:
        steps = [self._step(record) for record in records]
        return " → ".join(steps) if steps else self.say("nothing")

    def _step(self, record: RecordedRequest) -> str:
        if not is_token_request(record):
            return str(record.status)
        name = self.say("trace_token")
        return name if record.status == 200 else f"{name} {record.status}"

    def _counters(self, watch: Watch) -> str:
        return self.say("counters", tokens=watch.token_requests, calls=watch.api_requests)


#: What a revoked token gets.
_REFUSALS: Final = {"naver": "401 GW.AUTHN", "meloming": "401 AUTHENTICATION_REQUIRED"}


@dataclass
class _Renewal:
    """One client that keeps calling one API while its token expires."""

    stage: Stage
    provider: Provider
    ready: threading.Event = field(default_factory=threading.Event)
    error: str | None = None
    answers: list[Answer] = field(default_factory=list)
    waited: int = 0
    _go: threading.Event = field(default_factory=threading.Event)
    _until: float = 0.0
    _old_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        emulator = self.emulator
        # `expires_in` counts whole seconds: a little more than seven of them, or six would be announced.
        emulator.speed = self.provider.lifetime / (LIFETIME + 0.02)
        self.watch = Watch(emulator)

    @property
    def emulator(self) -> Emulator:
        return self.provider.emulator(self.stage.sandbox)

    @property
    def kept(self) -> bool:
        """Whether there was one new token, and every call succeeded at once."""
        fine = self.error is None and self.waited == 0 and self.answers
        # More than one request for it is possible and documented: asked too early, Naver returns the same token.
        return bool(fine) and self.watch.tokens_issued == 1 and all(answer.status == 200 for answer in self.answers)

    @property
    def during(self) -> int:
        """How many calls the server answered while a token request of this client was on its way."""
        records = self.watch.records
        ends = [record.at for record in records if is_token_request(record)]
        calls = [record.at for record in records if not is_token_request(record)]
        return sum(any(end - TOKEN_DELAY < at < end for end in ends) for at in calls)

    def begin(self, *, until: float) -> None:
        """Let the calls begin; they end at `until` (monotonic seconds)."""
        self.emulator.token_delay = TOKEN_DELAY
        self.watch = Watch(self.emulator)
        self._until = until
        self._go.set()

    def stop(self) -> None:
        """Make no more calls: the demo was interrupted."""
        self._until = 0.0
        self._go.set()

    def probe(self) -> str:
        """Try the first token by hand, and return the code of the answer."""
        return probe(self.provider.url(self.stage.sandbox), self._old_token)[1] if self._old_token else "-"

    def run(self) -> None:
        """Obtain a token, wait for the others, and call until it is over."""
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  it is what the demo has to show
            self.error = describe(error)
        finally:
            self.ready.set()

    def _run(self) -> None:
        from krauth import RefreshPolicy

        # Naver renews 30 minutes before expiry, here 1800 / speed: earlier, the server returns the same token again.
        # It counts from when it issued the token, in fractions, and the client from when it asked, in whole seconds:
        # the quarter of a second keeps the two apart, as the jitter of 90 s does at full scale.
        window = 1800.0 / (NAVER.lifetime / LIFETIME) - 0.25
        auth = self.provider.auth(
            self.stage.stack, self.stage.sandbox, refresh=RefreshPolicy(window=window, jitter=0.0)
        )
        url = self.provider.url(self.stage.sandbox)
        with self.stage.stack.open(auth) as lane:
            lane.call("GET", url)
            self._old_token = auth.token().access_token
            self._count_waits(auth)
            self.ready.set()
            self._go.wait(TIMEOUT)
            self.answers = lane.keep_calling(CALLERS, PACE, lambda: time.monotonic() < self._until, url)

    def _count_waits(self, auth: Any) -> None:
        # The only thing that no server can see: whether a caller had to wait for a token. These two are how one does.
        obtain, aobtain = auth.obtain, auth.aobtain

        def counted(**settings: Any) -> Any:
            self.waited += 1
            return obtain(**settings)

        async def acounted(**settings: Any) -> Any:
            self.waited += 1
            return await aobtain(**settings)

        auth.obtain, auth.aobtain = counted, acounted


def probe(url: str, token: str) -> tuple[int, str]:
    """GET a URL with a token and nothing else in between; return status and the code in the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        data = json.loads(response.read())
        return response.status, str(data.get("code", ""))
    finally:
        connection.close()


def describe(error: Exception) -> str:
    """Return an error in a line."""
    return printable(f"{type(error).__name__}: {error}")


@contextmanager
def _log_lines() -> Iterator[list[str]]:
    """Collect what every library logs at DEBUG, in order to look for secrets in it."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, handler = logging.getLogger(), Collect(logging.DEBUG)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
