"""Which folds the training commands are told of."""

import click
import pytest

from dicom_node.cli.learning.comparing import _part
from dicom_node.cli.learning.training import _HeldOut, _one_or_more


@pytest.mark.parametrize(
    ("words", "held_out"), [("0", (0,)), ("0,10", (0, 10)), ("none", "none")]
)
def test_one_fold_several_or_none_are_held_out(words, held_out):
    assert _HeldOut().convert(words, None, None) == held_out


@pytest.mark.parametrize("words", ["two", "-1", "0,", "0,-1", ""])
def test_what_is_no_fold_is_refused(words):
    with pytest.raises(click.BadParameter, match="neither a fold number nor none"):
        _HeldOut().convert(words, None, None)


def test_a_single_fold_is_written_as_recipes_write_it():
    assert _one_or_more((3,)) == 3
    assert _one_or_more((0, 10)) == (0, 10)


@pytest.mark.parametrize(
    ("words", "part"),
    [("0", 0), ("0,10", (0, 10)), ("Heron ward, 2021", "Heron ward, 2021")],
)
def test_a_network_is_of_a_fold_of_several_or_of_a_source(words, part):
    assert _part(words) == part
