"""The scenes of the demo: each does one thing with every stack and reports what the sandbox counted.

`_clients` sends, `_report` prints, `_phrases` has the words, `_apis` knows both APIs, `_expiry` is the timed scene.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from ._apis import MELOMING, NAVER, PROVIDERS, Provider, Trial, Watch, describe, is_token_request, probe
from ._clients import TIMEOUT, Answer
from ._expiry import CALLERS, LIFETIME, PACE, TOKEN_DELAY, BusyClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from krauth_sandbox import RecordedRequest

    from ._report import Claim, Report

#: How many calls show that a token is reused.
REUSES: Final = 20
SONG: Final = json.dumps({"title": "밤편지", "artist": "krauth"}, ensure_ascii=False).encode()
#: What a revoked token gets.
_REFUSALS: Final = {"naver": "401 GW.AUTHN", "meloming": "401 AUTHENTICATION_REQUIRED"}


class Scenes:
    """Everything the demo does, in order."""

    def __init__(self, report: Report, trials: list[Trial]) -> None:
        self.report = report
        self.say = report.say
        self.trials = trials

    def run(self) -> None:
        """Run every scene, also after one that failed."""
        for scene in (self.obtain, self.reuse, self.refresh, self.recover, self.crowd, self.refuse, self.open):
            for trial in self.trials:
                trial.sandbox.reset()
            scene()

    # ---- 1 ---------------------------------------------------------------------------------------------

    def obtain(self) -> None:
        """The first call obtains a token."""
        claim = self.report.scene("obtain", self.say("obtain"), self.say("obtain_note"))
        claim.seen = self.say("obtain_seen")
        self._columns()

        def run_scene(trial: Trial, provider: Provider) -> tuple[bool, str]:
            watch = Watch(provider.emulator(trial.sandbox))
            with trial.stack.open(provider.auth(trial.stack, trial.sandbox)) as client:
                answer = client.call("GET", provider.url(trial.sandbox))
            kept = answer.status == 200 and watch.token_requests == 1 and watch.api_requests == 1
            took = f"{1000 * answer.seconds:.0f} ms"
            return kept, f"{self._trace(watch.records)}  {took if kept else self._counters(watch)}"

        self._each(claim, run_scene)

    # ---- 2 ---------------------------------------------------------------------------------------------

    def reuse(self) -> None:
        """Further calls need no token request."""
        claim = self.report.scene("reuse", self.say("reuse", calls=REUSES), self.say("reuse_note"))
        claim.seen = self.say("reuse_seen", calls=REUSES)
        self._columns()

        def run_scene(trial: Trial, provider: Provider) -> tuple[bool, str]:
            with trial.stack.open(provider.auth(trial.stack, trial.sandbox)) as client:
                url = provider.url(trial.sandbox)
                client.call("GET", url)
                watch = Watch(provider.emulator(trial.sandbox))
                answers = [client.call("GET", url) for _ in range(REUSES)]
            return self._counted(watch, answers, tokens=0)

        self._each(claim, run_scene)

    # ---- 3 ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Tokens expire in fast time, and are refreshed while calls go on."""
        clients = [BusyClient(trial, provider) for trial in self.trials for provider in PROVIDERS]
        note = self.say("refresh_note", lifetime=f"{LIFETIME:g}", delay=f"{TOKEN_DELAY:g}")
        claim = self.report.scene("refresh", self.say("refresh"), note)
        with ThreadPoolExecutor(len(clients)) as pool:
            outcomes = [pool.submit(client.run) for client in clients]
            try:
                for client in clients:
                    client.ready.wait(TIMEOUT)
                began = time.monotonic()
                for client in clients:
                    client.begin(until=began + LIFETIME + 0.5)
                rate = round(CALLERS / PACE * len(clients))
                self.report.moment(0.0, self.say("refresh_start", clients=len(clients), rate=rate))
                dead = self._watch_refreshes(began, clients)
                for outcome in outcomes:
                    outcome.result()
            except BaseException:  # Ctrl-C: leave at once
                for client in clients:
                    client.stop()
                raise
        during = sum(client.during for client in clients)
        fast_time = dead == "GW.AUTHN" and during > 0
        good = all(client.kept for client in clients) and fast_time
        self.report.moment(time.monotonic() - began, self.say("refresh_end" if good else "refresh_end_bad"))
        for trial in self.trials:
            mine = [client for client in clients if client.trial is trial]
            kept = all(client.kept for client in mine) and fast_time
            text = self._describe_refreshes(mine)
            self.report.row(claim, trial.stack, [text], None if kept else text)
        claim.seen = f"{self._describe_refreshes(clients)}; {self.say('refresh_during', during=during)}"

    def _watch_refreshes(self, began: float, clients: list[BusyClient]) -> str:
        """Tell what happens while it happens; return what the first token is worth at the end."""
        first = done = False
        while (now := time.monotonic() - began) < LIFETIME + 0.1:
            asked = sum(client.watch.token_requests > 0 for client in clients)
            issued = sum(client.watch.tokens_issued > 0 for client in clients)
            if asked and not first:
                first = True
                self.report.moment(now, self.say("refresh_first"))
            if issued == len(clients) and not done:
                done = True
                self.report.moment(now, self.say("refresh_all", clients=len(clients)))
            time.sleep(0.02)
        dead = self._guard(lambda: (True, clients[0].probe()))[1]
        self.report.moment(now, self.say("refresh_dead", code=dead))
        return dead

    def _describe_refreshes(self, clients: list[BusyClient]) -> str:
        errors = [client.error for client in clients if client.error]
        if errors:
            return errors[0]
        answers = [answer for client in clients for answer in client.answers]
        text = self.say(
            "refresh_seen",
            calls=len(answers),
            waited=sum(client.waited for client in clients),
            bad=sum(answer.status != 200 for answer in answers),
            ms=round(1000 * max(answer.seconds for answer in answers)),
        )
        wrong = [client.watch.tokens_issued for client in clients if client.watch.tokens_issued != 1]
        return text + (f"; {self.say('refresh_bad', refreshed=wrong[0])}" if wrong else "")

    # ---- 4 ---------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """All tokens are revoked at the server: 401, one new token, one retry."""
        # By hand first, to show what the servers say of a revoked token.
        codes = {provider.name: self._refusal_of(provider) for provider in PROVIDERS}
        claim = self.report.scene("recover", self.say("recover"), self.say("recover_note", **codes))
        claim.seen = self.say("recover_seen")
        self._columns()

        def run_scene(trial: Trial, provider: Provider) -> tuple[bool, str]:
            emulator = provider.emulator(trial.sandbox)
            with trial.stack.open(provider.auth(trial.stack, trial.sandbox)) as client:
                client.call("GET", provider.url(trial.sandbox))
                emulator.revoke_all()
                watch = Watch(emulator)
                if provider is NAVER:
                    answer = client.call("GET", provider.url(trial.sandbox))
                else:
                    answer = client.call("POST", provider.url(trial.sandbox, provider.write_path), SONG)
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

        self._each(claim, run_scene)

    def _refusal_of(self, provider: Provider) -> str:
        trial = self.trials[0]
        try:
            token = provider.auth(trial.stack, trial.sandbox).token().access_token
        except Exception as error:  # noqa: BLE001  it is what the demo has to show
            return describe(error)
        provider.emulator(trial.sandbox).revoke_all()
        return " ".join(map(str, probe(provider.url(trial.sandbox), token)))

    # ---- 5 ---------------------------------------------------------------------------------------------

    def crowd(self) -> None:
        """Many callers at once, and no token."""
        claim = self.report.scene("crowd", self.say("crowd"), self.say("crowd_note"))
        claim.seen = self.say("crowd_seen")
        self._columns()

        def run_scene(trial: Trial, provider: Provider) -> tuple[bool, str]:
            emulator = provider.emulator(trial.sandbox)
            emulator.token_delay = 0.1  # so that all callers wait before the token is there
            watch = Watch(emulator)
            with trial.stack.open(provider.auth(trial.stack, trial.sandbox)) as client:
                answers = client.at_once(trial.stack.crowd, "GET", provider.url(trial.sandbox))
            return self._counted(watch, answers, tokens=1)

        self._each(claim, run_scene)

    # ---- 6 ---------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """A wrong secret, and the message about it."""
        import bcrypt

        claim = self.report.scene("refuse", self.say("refuse"), self.say("refuse_note"))
        claim.seen = self.say("refuse_seen")
        messages: dict[str, str] = {}
        results: list[tuple[Trial, bool, str]] = []
        for trial in self.trials:
            seen: list[tuple[bool, str]] = []
            for provider in PROVIDERS:
                # Well-formed, and not the right one: a malformed one is refused before anything is sent.
                secret = bcrypt.gensalt(4, prefix=b"2a").decode() if provider is NAVER else "wrong-" + "5ecret" * 5
                seen.append(self._guard(lambda p=provider, s=trial, w=secret: self._refused(s, p, w, messages)))  # type: ignore[misc]
            bad = [text for kept, text in seen if not kept]
            results.append((trial, not bad, bad[0] if bad else self.say("refuse_row")))
        for provider in PROVIDERS:
            self.report.quote(self.say(provider.name), messages.get(provider.name, self.say("no_error")))
        for trial, kept, text in results:
            self.report.row(claim, trial.stack, [text], None if kept else text)

    def _refused(self, trial: Trial, provider: Provider, secret: str, messages: dict[str, str]) -> tuple[bool, str]:
        from krauth import InvalidClientError

        watch = Watch(provider.emulator(trial.sandbox))
        caught: Exception | None = None
        with _log_lines() as lines:
            auth = provider.auth(trial.stack, trial.sandbox, secret=secret)
            with trial.stack.open(auth) as client:
                try:
                    client.call("GET", provider.url(trial.sandbox))
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
        claim = self.report.scene("open", self.say("open"), self.say("open_note"))
        claim.seen = self.say("open_seen")

        def run_scene(trial: Trial) -> tuple[bool, str]:
            sandbox = trial.sandbox
            key = sandbox.meloming_api_key
            watch = Watch(sandbox.meloming)
            auth = MELOMING.auth(trial.stack, sandbox, api_key=key, anonymous_reads=True)
            with trial.stack.open(auth) as client:
                read = client.call("GET", MELOMING.url(sandbox))
                without = watch.token_requests
                written = client.call("POST", MELOMING.url(sandbox, MELOMING.write_path), SONG)
            calls = [record for record in watch.records if not is_token_request(record)]
            carried = [self._carried(record, key) for record in calls]
            good = [self.say("key"), f"{self.say('key')} + {self.say('bearer')}"]
            kept = carried == good and (read.status, written.status, without, watch.token_requests) == (200, 201, 0, 1)
            texts = [f"{what} → {answer.status}" for what, answer in zip(carried, (read, written), strict=True)]
            text = self.say("open_row", read=texts[0], write=texts[1])
            return kept, text if kept else f"{text}  {self._counters(watch)}"

        for trial in self.trials:
            kept, text = self._guard(lambda s=trial: run_scene(s))  # type: ignore[misc]
            self.report.row(claim, trial.stack, [text], None if kept else text)

    def _carried(self, record: RecordedRequest, key: str) -> str:
        found = []
        if record.headers.get("X-API-Key") == key:
            found.append(self.say("key"))
        if record.headers.get("Authorization", "").startswith("Bearer "):
            found.append(self.say("bearer"))
        return " + ".join(found) or self.say("no_credential")

    # ---- what scenes share -------------------------------------------------------------------------------

    def _columns(self) -> None:
        self.report.columns(*(self.say(provider.name) for provider in PROVIDERS))

    def _each(self, claim: Claim, run_scene: Callable[[Trial, Provider], tuple[bool, str]]) -> None:
        """Play an scene with each stack and provider, one after the other, and print a row for each stack."""
        for trial in self.trials:
            seen = [self._guard(lambda s=trial, p=provider: run_scene(s, p)) for provider in PROVIDERS]  # type: ignore[misc]
            wrong = [
                f"{self.say(provider.name)}: {text}"
                for provider, (kept, text) in zip(PROVIDERS, seen, strict=True)
                if not kept
            ]
            cells = [", ".join(wrong)] if wrong else [text for _, text in seen]
            self.report.row(claim, trial.stack, cells, ", ".join(wrong) or None)

    def _guard(self, run_scene: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
        try:
            return run_scene()
        except Exception as error:  # noqa: BLE001  the claim does not hold, and the demo goes on
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
