"""Everything that krauth asks of a token store, and what is special about this one."""

import os
import stat

import pytest
from krauth_jsonfile import JSONFileStore

import krauth
from krauth.testing import TokenStoreContract


class TestJSONFile(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.path = f"{tmp_path}/tokens.json"

    def make_store(self):
        return JSONFileStore(self.path)


def test_only_the_owner_can_read_it(tmp_path):
    """Tokens are secrets: the file is 0600 from its first moment."""
    JSONFileStore(f"{tmp_path}/tokens.json").save("key", "value")
    assert {stat.S_IMODE(os.stat(file).st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_damaged_file(tmp_path):
    """Errors are `TokenStoreError`s that name the file."""
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(krauth.TokenStoreError, match=r"tokens\.json can't be used"):
        JSONFileStore(f"{tmp_path}/tokens.json").load("key")
