"""Examples become the truth that the losses want."""

from inference.training.architectures.targets import collate
from inference.training.data.dataset import read_picture, read_samples
from inference.training.data.render import render
from inference.training.data.transforms import example
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.recipe import Recipe

SIZE = 64


def test_examples_are_stacked_with_their_targets(tiny: Recipe) -> None:
    shown = [
        example(
            sample,
            render(sample, read_picture(sample.path), SIZE, "none"),
            SIZE,
            DataRecipe(),
        )
        for sample in read_samples(tiny.data)[:3]
    ]
    images, targets = collate(shown)
    assert images.shape == (3, 1, SIZE, SIZE)
    assert targets["dense"]["truth"].shape == (3, 3, SIZE // 2, SIZE // 2)
    assert [len(one["boxes"]) for one in targets["instances"]] == [1, 1, 0]
    assert [bool(one["has_mask"].any()) for one in targets["instances"]] == [
        True,
        False,
        False,
    ]
