"""A client that keeps calling while its token expires; `_scenes` runs one for each stack and API."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ._apis import NAVER, Provider, Trial, Watch, describe, is_token_request, probe
from ._clients import TIMEOUT, Answer

if TYPE_CHECKING:
    from krauth_sandbox import Emulator

#: Seconds that a token lives in this scene, in place of three hours (Naver) and one hour (Meloming).
LIFETIME: Final = 7.0
#: Seconds that the token endpoints take to answer in this scene.
TOKEN_DELAY: Final = 0.3
#: Callers for each client, and the seconds between two calls of one caller.
CALLERS: Final = 2
PACE: Final = 0.2


@dataclass
class BusyClient:
    """One client that keeps calling one API while its token expires."""

    trial: Trial
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
        return self.provider.emulator(self.trial.sandbox)

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
        return probe(self.provider.url(self.trial.sandbox), self._old_token)[1] if self._old_token else "-"

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

        # Naver refreshes 30 minutes before expiry, here 1800 / speed: earlier, the server returns the same token again.
        # It counts from when it issued the token, in fractions, and the client from when it asked, in whole seconds:
        # the quarter of a second keeps the two apart, as the jitter of 90 s does at full scale.
        window = 1800.0 / (NAVER.lifetime / LIFETIME) - 0.25
        auth = self.provider.auth(
            self.trial.stack, self.trial.sandbox, refresh=RefreshPolicy(window=window, jitter=0.0)
        )
        url = self.provider.url(self.trial.sandbox)
        with self.trial.stack.open(auth) as client:
            client.call("GET", url)
            self._old_token = auth.token().access_token
            self._count_waits(auth)
            self.ready.set()
            self._go.wait(TIMEOUT)
            self.answers = client.keep_calling(CALLERS, PACE, lambda: time.monotonic() < self._until, url)

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
