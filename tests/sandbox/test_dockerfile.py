"""The Dockerfile without Docker: its commands run in an empty folder, without a network, and what they build runs."""

import json
import os
import shlex
import shutil
import subprocess
import sysconfig
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the sdist has no Dockerfile")


def instructions():
    """Return the instructions with their arguments, continued lines joined."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in joined]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Build: an empty root, a Python with what the package index would give, and each instruction in its order."""
    pytest.importorskip("hatchling", reason="the build backend is not installed, and there is no network")
    root = tmp_path_factory.mktemp("image")
    venv.create(root / "python")
    (library,) = (root / "python").glob("lib/python3*/site-packages")
    # In place of the package index: what is installed here counts as installed there.
    (library / "installed.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    environment = {
        "PATH": f"{root / 'python' / 'bin'}:{os.defpath}",
        "HOME": str(root),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as "no isolation"
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    image = {"root": root, "env": environment, "folder": root}
    for name, text in instructions():
        if name == "WORKDIR":
            image["folder"] = root / text.strip("/")
            image["folder"].mkdir(parents=True)
        elif name == "COPY":
            *sources, target = shlex.split(text)
            for source in sources:
                to = image["folder"] / target / ("" if (ROOT / source).is_dir() else source)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, to)
        elif name == "RUN":
            done = subprocess.run(
                ["/bin/sh", "-c", text],
                cwd=image["folder"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        elif name in {"ENTRYPOINT", "CMD"}:
            image[name] = json.loads(text)
        else:
            assert name in {"FROM", "USER"}, f"{name}: this test does not know it"
    return image


def run(image, *arguments, **more):
    (command, *rest) = image["ENTRYPOINT"]
    program = image["root"] / "python" / "bin" / command
    return [program, *rest, *arguments], {"cwd": image["root"], "env": image["env"], "text": True, **more}


def test_the_default_command_is_understood(image):
    """ENTRYPOINT and CMD are options of this version."""
    command, more = run(image, *image["CMD"], "--help")
    assert subprocess.run(command, capture_output=True, timeout=30, **more).returncode == 0


def test_the_image_serves(image):
    """The installed command answers on loopback, from its own copy and not from this checkout."""
    where = "import krauth_sandbox, krauth_cli; print(krauth_sandbox.__file__, krauth_cli.__file__)"
    python = image["root"] / "python" / "bin" / "python"
    found = subprocess.run([python, "-c", where], capture_output=True, check=True, **run(image)[1]).stdout.split()
    assert all(Path(one).is_relative_to(image["root"] / "python") for one in found)
    command, more = run(image)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more) as process:
        try:
            line = next(line for line in process.stdout if line.startswith("# Open this page"))
            with urllib.request.urlopen(line.split()[-1], timeout=10) as answer:
                assert "krauth sandbox" in answer.read().decode()
        finally:
            process.terminate()
            process.communicate(timeout=10)
    assert process.returncode == 0


def test_what_is_copied_is_not_ignored():
    """.dockerignore lets in every file that a COPY names, and tests and folders of the developer stay out."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {name for what, text in instructions() if what == "COPY" for name in shlex.split(text)[:-1]}
    assert copied == let_in


def test_nothing_of_root_remains():
    """The last USER is not root, and the base image has a Python that the package supports."""
    said = dict(instructions())
    assert said["USER"].split(":")[0] not in {"0", "root"}
    version = tuple(map(int, said["FROM"].removeprefix("python:").partition("-")[0].split(".")))
    assert version >= (3, 11)
