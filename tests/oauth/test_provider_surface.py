"""The public surface for authors of providers."""

import pytest

import krauth.provider
from krauth import ConfigurationError


def test_provider_surface():
    """`krauth.provider` exports sorted names that exist, each with a docstring where it can have one."""
    names = krauth.provider.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(krauth.provider, name)
        assert name == "ErrorTable" or value.__doc__, name


def test_codes_in_a_list():
    """A number in a path is an index; one beyond the list, or into anything else, finds nothing."""
    names = {"error": ("errors.1.code", "errors.0.code")}
    assert krauth.provider.error_code({"errors": [{"code": "E-1"}]}, names) == "E-1"
    for errors in ([], {}, "E", [7], [[]]):
        assert krauth.provider.error_code({"errors": errors}, names) is None


def test_credentials_without_a_key():
    """A grant of its own without a key is told how to make one: entries of a store must not be mixed up."""

    class Own(krauth.provider.Credentials):
        pass

    with pytest.raises(ConfigurationError, match="make_key"):
        Own().identity  # noqa: B018


def test_a_row_for_a_status_alone_has_a_remedy():
    """An API that names no code is told with the remedy of its status; what is about token requests is left out."""
    judge = krauth.provider.Credentials.judge

    class Own(krauth.provider.Credentials):
        errors = {  # noqa: RUF012
            (401, None): krauth.provider.Rule("check the clock, then the keys", clock=True),
            (403, None): krauth.provider.Rule("check each of {carried}"),
        }

    assert judge(Own(), "GET", 401, {}, b"{}").remedy == "check the clock, then the keys"
    assert judge(Own(), "GET", 403, {}, b"").remedy is None
