"""Channels and their songs, the part of Meloming that a credential opens; kept in memory until a reset."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .._ground import echo
from .._ground.reply import answer_json, wrong
from .errors import refuse

if TYPE_CHECKING:
    from .._ground.reply import Reply
    from .settings import MelomingSettings


class Channels:
    """Every channel but the missing ones; writes that the gate lets in succeed on all but the denied ones."""

    def __init__(self, settings: MelomingSettings) -> None:
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        """Forget every song."""
        self._songs: dict[str, dict[str, Any]] = {}
        self._song_numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under /v1/channels."""
        channel = "/v1/channels/{channel}"
        return [
            web.get(channel, self._read_channel),
            web.patch(channel, self._write_channel),
            web.get(f"{channel}/songs", self._list_songs),
            web.post(f"{channel}/songs", self._add_song),
            web.get(f"{channel}/songs/{{song}}", self._read_song),
            web.patch(f"{channel}/songs/{{song}}", self._change_song),
            web.delete(f"{channel}/songs/{{song}}", self._delete_song),
        ]

    async def _read_channel(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel in self._settings.missing_channels:
            return self._missing()
        return answer_json({"id": channel, "name": f"채널 {channel}", "songs": len(self._songs_of(channel))})

    async def _write_channel(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        refused = self._refused(channel)
        if refused is not None:
            return refused
        return answer_json({"id": channel, **await echo.digest(request)})

    async def _list_songs(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel in self._settings.missing_channels:
            return self._missing()
        return answer_json({"songs": list(self._songs_of(channel).values())})

    async def _add_song(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        refused = self._refused(channel)
        if refused is not None:
            return refused
        song = {"id": str(next(self._song_numbers)), **_json_object(await request.read())}
        self._songs_of(channel)[song["id"]] = song
        return answer_json({**song, **await echo.digest(request)}, status=201)

    async def _read_song(self, request: web.Request) -> web.Response:
        song = self._songs_of(request.match_info["channel"]).get(request.match_info["song"])
        return self._missing() if song is None else answer_json(song)

    async def _change_song(self, request: web.Request) -> web.Response:
        channel, number = request.match_info["channel"], request.match_info["song"]
        refused = self._refused(channel)
        if refused is not None:
            return refused
        song = self._songs_of(channel).get(number)
        if song is None:
            return self._missing()
        song.update(_json_object(await request.read()))
        return answer_json({**song, **await echo.digest(request)})

    async def _delete_song(self, request: web.Request) -> web.Response:
        channel, number = request.match_info["channel"], request.match_info["song"]
        refused = self._refused(channel)
        if refused is not None:
            return refused
        if self._songs_of(channel).pop(number, None) is None:
            return self._missing()
        return web.Response(status=204)

    def _songs_of(self, channel: str) -> dict[str, Any]:
        return self._songs.setdefault(channel, {})

    def _refused(self, channel: str) -> Reply | None:
        if channel in self._settings.missing_channels:
            return self._missing()
        if channel not in self._settings.denied_channels:
            return None
        # "403 | PERMISSION_DENIED | 리소스 권한 부족 | 채널 권한 확인"
        problem = wrong("The user may not change this channel.")
        return refuse(self._settings.error_shape, "PERMISSION_DENIED", problem)

    def _missing(self) -> Reply:
        return refuse(self._settings.error_shape, "NOT_FOUND", wrong("There is no such channel or song."))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return {k: v for k, v in value.items() if k != "id"} if isinstance(value, dict) else {}
