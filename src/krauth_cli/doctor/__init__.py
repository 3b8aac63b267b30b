"""`krauth doctor`: what a vendor does differently from its documents.

`_command` asks, `_naver` and `_meloming` compare, `_common` compares what both have, `_seen` is an answer, and
`_phrases` has the words.
"""
