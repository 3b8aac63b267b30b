"""The public surface for authors of providers."""

import krauth.provider


def test_provider_surface():
    """`krauth.provider` exports sorted names that exist, each with a docstring where it can have one."""
    names = krauth.provider.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(krauth.provider, name)
        assert name == "ErrorTable" or value.__doc__, name
