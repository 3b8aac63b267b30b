"""Which texts a store keeps: valid Unicode, as every database wants it."""

from __future__ import annotations

import re

from krauth import TokenStoreError

_SURROGATE = re.compile("[\ud800-\udfff]")


def refuse_surrogates(text: str) -> None:
    """Refuse a text that has no UTF-8; Python's own error would hold the text.

    Raises:
        TokenStoreError: It has a lone surrogate.
    """
    if _SURROGATE.search(text):
        raise TokenStoreError(
            "this text can't be saved: it has a lone surrogate (U+D800 to U+DFFF), which is no character"
        )
