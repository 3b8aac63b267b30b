"""`python -m benchmarks.compare`: what is worse is named, noise and what is missing are not held against anybody."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

OLD = {
    "parts": {
        "hot_path": {"data": {"token": {"requests": {"krauth": {"ratio": {"median": 2.0}}, "peer": {}}}}},
        "stampede": {
            "data": {
                "64 threads": {
                    "krauth requests": {
                        "refresh token": {"token_requests": {"median": 1}, "failed": {"median": 0}},
                    },
                    "peer": {"refresh token": {"token_requests": {"median": 1}, "failed": {"median": 0}}},
                }
            },
        },
        "latency": {
            "data": {
                "settings": {"seconds": 18.0},
                "subjects": {"krauth requests": [{"n": 9, "waited": 0, "refused": 0, "statuses": {"200": 9}}]},
            },
        },
        "startup": {"data": {"imports": {"krauth_requests": {"share": {"median": 0.05}}}}},
        "scale": {"data": [{"count": 10, "bytes_each_idle": 1000.0}]},
    }
}


@pytest.fixture
def new():
    return copy.deepcopy(OLD)


@pytest.fixture
def compare(tmp_path):
    if not (ROOT / "benchmarks").exists():
        pytest.skip("benchmarks/ is not part of this distribution")

    def run(new):
        paths = [tmp_path / "old.json", tmp_path / "new.json"]
        for path, result in zip(paths, (OLD, new), strict=True):
            path.write_text(json.dumps(result))
        command = [sys.executable, "-m", "benchmarks.compare", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.stderr == ""
        return done.stdout.splitlines(), done.returncode

    return run


def data(result, part):
    return result["parts"][part]["data"]


def test_noise_is_not_worse(compare, new):
    """What is within the tolerance is not mentioned."""
    data(new, "hot_path")["token"]["requests"]["krauth"]["ratio"]["median"] = 2.25
    data(new, "startup")["imports"]["krauth_requests"]["share"]["median"] = 0.06
    data(new, "scale")[0]["bytes_each_idle"] = 1080.0
    assert compare(new) == (["nothing is worse"], 0)


def test_a_peer_is_not_our_business(compare, new):
    """Only ours is compared."""
    data(new, "stampede")["64 threads"]["peer"]["refresh token"]["failed"]["median"] = 63
    assert compare(new) == (["nothing is worse"], 0)


def test_a_worse_ratio(compare, new):
    """A ratio beyond the tolerance is told with both figures; so is a better one, which fails nothing."""
    data(new, "hot_path")["token"]["requests"]["krauth"]["ratio"]["median"] = 2.5
    assert compare(new) == (["hot_path | token, requests: krauth, ratio | 2 | 2.5 | worse"], 1)
    data(new, "hot_path")["token"]["requests"]["krauth"]["ratio"]["median"] = 1.5
    assert compare(new) == (["hot_path | token, requests: krauth, ratio | 2 | 1.5 | better", "nothing is worse"], 0)


def test_a_second_token_request(compare, new):
    """Counts have no tolerance."""
    data(new, "stampede")["64 threads"]["krauth requests"]["refresh token"]["token_requests"]["median"] = 2
    expected = "stampede | 64 threads: krauth requests, refresh token, token_requests | 1 | 2 | worse"
    assert compare(new) == ([expected], 1)


def test_a_call_that_failed(compare, new):
    """What callers saw of a refresh is counted from the statuses."""
    data(new, "latency")["subjects"]["krauth requests"][0]["statuses"] = {"200": 8, "Timeout": 1}
    assert compare(new) == (["latency | krauth requests, failed | 0 | 1 | worse"], 1)


def test_what_is_missing_is_named(compare, new):
    """A part, or a row, that one file lacks is skipped and said to be."""
    del new["parts"]["startup"]
    data(new, "scale")[0]["count"] = 100
    lines, code = compare(new)
    assert code == 0
    assert lines == [
        "startup: missing in the new file, skipped",
        "scale | 10 objects, bytes_each_idle: in one of the files only, skipped",
        "scale | 100 objects, bytes_each_idle: in one of the files only, skipped",
        "nothing is worse",
    ]


def test_other_settings(compare, new):
    """A longer run has more calls, so that counts of calls say nothing."""
    data(new, "latency")["settings"]["seconds"] = 45.0
    data(new, "latency")["subjects"]["krauth requests"][0]["waited"] = 3
    expected = "latency: measured with other settings, so that counts do not compare, skipped"
    assert compare(new) == ([expected, "nothing is worse"], 0)
