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
