"""Scores of readers, in a table beside the films."""

import pytest

from inference.errors import TrainingError
from inference.training.data.readers import read_scores

HEAD = "file_name,fold,geographic_extent_0_8\n"


@pytest.mark.parametrize(
    "row", ["film03.png,0,9", "film03.png,0,x", "film03.png,0,nan"]
)
def test_a_score_that_is_none_is_refused(tmp_path, row):
    place = tmp_path / "severity_extra.csv"
    place.write_text(HEAD + row + "\n")
    with pytest.raises(TrainingError, match="not a table of readers' scores"):
        read_scores([place])


def test_where_there_is_no_table_nothing_is_known(tmp_path):
    assert read_scores([tmp_path / "severity_extra.csv"]) == {}
