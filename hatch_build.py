"""Completes the metadata of wheel and sdist: Project-URLs, and links in the README that lead somewhere on an index too.

The sources do not know where their repository is. The variable `KRAUTH_REPOSITORY_URL` says it; the workflows set it
to their own. Without it the README is taken as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class CustomMetadataHook(MetadataHookInterface):
    """Sets `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Complete the metadata in place."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if url := os.environ.get("KRAUTH_REPOSITORY_URL", "").rstrip("/"):
            files = f"{url}/blob/v{metadata['version']}"
            text = re.sub(r"\]\((?!https?:|#)", f"]({files}/", text)
            metadata["urls"] = {
                "Documentation": f"{files}/docs/index.md",
                "Changes": f"{files}/CHANGELOG.md",
                "Source": url,
                "Issues": f"{url}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
