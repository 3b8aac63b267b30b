"""Filters that keep the secrets of token requests and calls out of the cassettes of vcrpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Header fields that hold a credential: of a call, of a token request (`client_secret_basic`), of a proxy.
_SECRET_HEADERS = ("Authorization", "Proxy-Authorization", "X-API-Key")
#: Form fields that hold a secret: RFC 6749, RFC 7009 and 7662 (`token`), RFC 7636, RFC 7521, and Naver's signature.
_SECRET_FIELDS = (
    *("client_secret", "client_secret_sign", "refresh_token", "code", "code_verifier", "assertion"),
    *("client_assertion", "token", "access_token", "id_token", "password", "username"),
)
#: Query parameters that hold a secret: a callback's code, and tokens where a service puts them into the URL.
_SECRET_QUERY = ("code", "access_token", "refresh_token", "id_token", "token", "client_secret", "api_key")
#: Members of an answer that hold a secret: RFC 6749, section 5.1, OpenID Connect, RFC 7591.
_SECRET_MEMBERS = frozenset(
    {"access_token", "refresh_token", "id_token", "client_secret", "code", "registration_access_token"}
)
_HIDDEN = "REDACTED"


def vcr_filters() -> dict[str, Any]:
    """Return keyword arguments for vcrpy that keep every secret of a token request and of a call out of a cassette.

        my_vcr = vcr.VCR(**krauth.testing.vcr_filters())

    They hide header fields, form fields, members of JSON bodies at any depth, query parameters, and the tokens in
    answers, compressed ones and redirects included. Equal tokens of one recording are replaced by equal texts and
    different tokens by different ones, so that a cassette in which a refused token is refreshed can be replayed.
    Cookies are recorded as they are.
    """
    import hashlib
    import hmac
    import secrets

    salt = secrets.token_bytes(16)

    def name(value: str) -> str:
        return f"{_HIDDEN}-{hmac.new(salt, value.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:12]}"

    def hide(response: dict[str, Any]) -> dict[str, Any]:
        return _hide_answer(response, name)

    def hide_request(request: Any) -> Any:
        return _hide_json(request)

    return {
        "before_record_request": hide_request,
        "filter_headers": [(header, _HIDDEN) for header in _SECRET_HEADERS],
        "filter_post_data_parameters": [(field, _HIDDEN) for field in _SECRET_FIELDS],
        "filter_query_parameters": [(parameter, _HIDDEN) for parameter in _SECRET_QUERY],
        "before_record_response": hide,
        "decode_compressed_response": True,
    }


def _hide_json(request: Any) -> Any:
    """Replace the secrets in the JSON body of a request, at any depth: vcrpy's own filter replaces the outermost."""
    import json

    body = request.body
    try:
        content = json.loads(body)
    except (TypeError, ValueError):  # no body, a form, a stream
        return request
    hidden = _hide_members(content, frozenset(_SECRET_FIELDS), lambda _: _HIDDEN)
    if hidden != content:
        text = json.dumps(hidden, ensure_ascii=False)
        request.body = text.encode() if isinstance(body, bytes) else text
    return request


def _hide_answer(response: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """Replace the secrets in a response as vcrpy records it; `name` makes the replacement of one."""
    import json
    import re

    headers = {field.lower(): field for field in response["headers"]}
    if location := headers.get("location"):
        pattern = re.compile(rf"([?&#](?:{'|'.join(_SECRET_QUERY)})=)([^&#]*)")
        values = response["headers"][location]
        hidden = [pattern.sub(rf"\g<1>{_HIDDEN}", value) for value in ([values] if isinstance(values, str) else values)]
        response["headers"][location] = hidden[0] if isinstance(values, str) else hidden
    body = response["body"]["string"]
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        answer = json.loads(text)
    except ValueError:  # RFC 6749 asks for JSON; some services answer with a form
        found = re.compile(rf"(^|&)({'|'.join(sorted(_SECRET_MEMBERS - {'code'}))})=([^&\s]+)")
        hidden_text = found.sub(lambda match: f"{match[1]}{match[2]}={name(match[3])}", text)
    else:
        # `code` is a secret where it comes with a state, as in an answer of an authorization endpoint; else an error's.
        members = _SECRET_MEMBERS if isinstance(answer, dict) and "state" in answer else _SECRET_MEMBERS - {"code"}
        replaced = _hide_members(answer, members, name)
        hidden_text = text if replaced == answer else json.dumps(replaced, ensure_ascii=False)
    if hidden_text != text:
        response["body"]["string"] = hidden_text.encode() if isinstance(body, bytes) else hidden_text
        if length := headers.get("content-length"):
            old = response["headers"][length]
            new = str(len(hidden_text.encode()))
            response["headers"][length] = new if isinstance(old, str) else [new]
    return response


def _hide_members(value: Any, members: frozenset[str], name: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            key: name(inner) if key in members and isinstance(inner, str) else _hide_members(inner, members, name)
            for key, inner in value.items()
        }
    return [_hide_members(inner, members, name) for inner in value] if isinstance(value, list) else value
