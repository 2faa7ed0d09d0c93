import pytest

from bdgw.errors import UnavailableError
from bdgw.statedir import locked


def test_a_second_gateway_cannot_use_the_same_folder(tmp_path):
    folder = tmp_path / "a" / "state"
    with locked(folder), pytest.raises(UnavailableError, match="another gateway"), locked(folder):
        pass
    with locked(folder):
        pass  # free again


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="state_dir"), locked(tmp_path / "file" / "state"):
        pass
