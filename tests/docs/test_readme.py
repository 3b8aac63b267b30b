"""The examples in the documents are run, against the sandbox instead of the real APIs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from krauth_sandbox import Sandbox

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "README.ko.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]


def examples() -> list[object]:
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{name}:{line}"))
    return found


@pytest.mark.parametrize("code", examples())
def test_an_example_of_a_document_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader copies out of a document works as it stands."""
    monkeypatch.chdir(tmp_path)
    sellers = {"ncp_seller_1": "ncp_uid_1", "ncp_seller_2": "ncp_uid_2"}
    with Sandbox(naver_accounts=sellers) as sandbox:
        environment = {
            "NAVER_COMMERCE_CLIENT_ID": sandbox.naver_client_id,
            "NAVER_COMMERCE_CLIENT_SECRET": sandbox.naver_client_secret,
            "MELOMING_CLIENT_ID": sandbox.meloming_client_id,
            "MELOMING_CLIENT_SECRET": sandbox.meloming_client_secret,
            "MELOMING_API_KEY": sandbox.meloming_api_key,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        here = code.replace("https://api.commerce.naver.com/external", sandbox.naver_url)
        here = here.replace("https://openapi.meloming.com", sandbox.meloming_url)
        here = re.sub(r"NaverAuth\.from_env\(", f"NaverAuth.from_env(base_url={sandbox.naver_url!r}, ", here)
        here = re.sub(r"(Meloming\w+)\.from_env\(", rf"\1.from_env(base_url={sandbox.meloming_url!r}, ", here)
        names: dict[str, object] = {"__name__": "example"}
        exec(compile(here, "example", "exec"), names)
        main = names.get("main")
        if asyncio.iscoroutinefunction(main):
            asyncio.run(main())
        for name in ("client", "session"):
            if hasattr(names.get(name), "close"):
                names[name].close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_links_of_the_readme_lead_somewhere(name: str) -> None:
    """No link of a README within the project is dead."""
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("http")]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_both_readmes_hold_the_same_examples() -> None:
    """The Korean README shows what the English one shows."""

    def code(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        return [re.sub(r'#.*|".*?"', "", block) for block in blocks]

    assert code("README.md") == code("README.ko.md")
