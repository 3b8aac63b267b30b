"""`examples/scrapy_client` in a spider that is run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.runtimes

EXAMPLE = Path(__file__).parents[2] / "examples" / "scrapy_client"


def test_a_spider(world):
    """A call gets a token, a refused one is repeated with its body, and a redirect to another server carries none."""
    naver, elsewhere = world.sandbox.naver_url, world.sandbox.meloming_url
    places = {
        "PYTHONPATH": os.pathsep.join([world.environ["PYTHONPATH"], str(EXAMPLE)]),
        "REVOKE": f"{naver.removesuffix('/external')}/_sandbox/revoke",
        "ELSEWHERE": f"{naver}/v1/redirect?to={elsewhere}/v1/echo",
    }
    first, second, third = map(json.loads, world.run(sys.executable, world.here / "spider.py", **places).splitlines())
    assert first[:2] == ["first", 200]
    assert "accountUid" in first[2]
    assert second == ["second", 200, 3]
    assert third == ["third", f"{elsewhere}/v1/echo"]
    assert "Authorization" not in world.sandbox.meloming.requests[-1].headers
    assert world.token_requests == 2
