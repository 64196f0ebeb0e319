import os
import stat
from pathlib import Path

import pytest

from dicom_node.errors import SettingsInvalid
from dicom_node.node.private_files import keep_private, open_to_others


@pytest.fixture(autouse=True)
def umask():
    kept = os.umask(0o022)
    yield
    os.umask(kept)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_what_is_written_are_the_nodes_alone(tmp_path):
    folder = tmp_path / "data"
    keep_private(folder)
    (folder / "film").write_bytes(b"x")
    assert (mode(folder), mode(folder / "film")) == (0o700, 0o600)
    assert not open_to_others(folder)


def test_what_was_open_is_tightened(tmp_path):
    folder = tmp_path / "data"
    (folder / "objects").mkdir(parents=True)
    (folder / "node.db").write_bytes(b"x")
    assert open_to_others(folder)
    keep_private(folder)
    assert mode(folder) == mode(folder / "objects") == 0o700
    assert mode(folder / "node.db") == 0o600


def test_a_link_out_of_the_folder_is_left_alone(tmp_path):
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    before = mode(elsewhere)
    keep_private(folder)
    assert mode(elsewhere) == before


def test_a_file_in_its_place_is_said_in_one_line(tmp_path):
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(SettingsInvalid, match=r"node\.data_dir"):
        keep_private(tmp_path / "data")
