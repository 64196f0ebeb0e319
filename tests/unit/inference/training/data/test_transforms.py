"""What the network is shown of a sample, and what the losses then know of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.preprocess import preprocess
from inference.training.architectures.targets import collate
from inference.training.data.batches import (
    Batches,
    one_sided_sources,
    sampling_weights,
)
from inference.training.data.dataset import Sample, read_picture, read_samples
from inference.training.data.photometry import change_grey, spoil
from inference.training.data.render import RenderCache, Rendered, render
from inference.training.data.synthesis import add_opacity
from inference.training.data.transforms import example
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.recipe import Recipe
from inference.training.recipe.showing import AugmentationRecipe, SamplingRecipe

SIZE = 64
NOTHING = AugmentationRecipe(
    rotation_deg=0,
    shear_deg=0,
    translation=0,
    scale=(1, 1),
    flip=0,
    gamma=0,
    contrast=0,
    brightness=0,
    blur=0,
    sharpen=0,
    noise=0,
    jpeg=0,
    coarse=0,
    clahe=0,
    burn_in=0,
    spoil=0,
)


@pytest.fixture
def samples(tiny: Recipe) -> list[Sample]:
    return read_samples(tiny.data)


def rendered(sample: Sample) -> Rendered:
    return render(sample, read_picture(sample.path), SIZE, "none")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_augmentation_training_sees_what_serving_sees(
    samples: list[Sample],
) -> None:
    sample = samples[0]
    served, _ = preprocess(read_picture(sample.path), SIZE)
    shown = example(sample, rendered(sample), SIZE, DataRecipe())
    assert np.abs(shown.image - served[0]).max() <= 0.5 / 255 + 1e-6


def test_a_mirror_image_swaps_the_lungs(samples: list[Sample]) -> None:
    sample, drawn = samples[0], rendered(samples[0])
    straight = example(sample, drawn, SIZE, DataRecipe())
    mirror = NOTHING.model_copy(update={"flip": 1.0})
    mirrored = example(sample, drawn, SIZE, DataRecipe(), mirror, rng())
    assert np.allclose(mirrored.image, straight.image[:, ::-1])
    assert np.allclose(mirrored.truth[1], straight.truth[2][:, ::-1])
    assert np.allclose(mirrored.truth[2], straight.truth[1][:, ::-1])
    assert np.allclose(mirrored.truth[0], straight.truth[0][:, ::-1])
    assert np.array_equal(mirrored.masks, straight.masks[:, :, ::-1])
    left, right = straight.boxes[0][[0, 2]]
    assert mirrored.boxes[0][[0, 2]].tolist() == [SIZE - right, SIZE - left]


def test_the_right_lung_stays_at_the_left_of_the_picture(
    samples: list[Sample],
) -> None:
    flips = NOTHING.model_copy(update={"flip": 0.5, "rotation_deg": 15.0})
    for seed in range(8):
        shown = example(
            samples[0], rendered(samples[0]), SIZE, DataRecipe(), flips, rng(seed)
        )
        right, left = (np.argwhere(shown.truth[c] > 0.5)[:, 1].mean() for c in (1, 2))
        assert right < left


def test_unknown_opacities_weigh_nothing(samples: list[Sample]) -> None:
    shown = example(samples[3], rendered(samples[3]), SIZE, DataRecipe())
    assert not shown.known
    assert not shown.weight[0].any()
    assert not shown.overlap[0]
    assert shown.image_weight.tolist() == [0, 1]
    assert shown.weight[1:].all()


def test_unannotated_lungs_weigh_nothing(samples: list[Sample]) -> None:
    shown = example(samples[1], rendered(samples[1]), SIZE, DataRecipe())
    assert not shown.weight[1:].any()
    assert not shown.overlap[1:].any()


def test_naively_read_unannotated_lungs_count_as_absent(
    samples: list[Sample],
) -> None:
    naive = DataRecipe(partial_labels="naive")
    shown = example(samples[1], rendered(samples[1]), SIZE, naive)
    assert shown.weight[1:].all()
    assert not shown.truth[1:].any()


def test_inside_a_mere_box_the_dense_loss_weighs_little(samples: list[Sample]) -> None:
    shown = example(samples[1], rendered(samples[1]), SIZE, DataRecipe())
    inside = shown.truth[0] > 0
    assert np.unique(shown.weight[0][inside]).tolist() == [np.float32(0.3)]
    x1, y1, x2, y2 = (shown.boxes[0] / 2).round().astype(int)
    assert shown.weight[0][y1, x1] == 0, "the corners are not known"
    outside = shown.weight[0].copy()
    outside[y1:y2, x1:x2] = 1
    assert (outside == 1).all(), "outside all boxes is known to be clear"
    assert not shown.has_mask[0]
    assert not shown.overlap[0]


def test_a_rectangle_fills_the_whole_box(samples: list[Sample]) -> None:
    recipe = DataRecipe(box_shape="rectangle", box_weight=0.5)
    shown = example(samples[1], rendered(samples[1]), SIZE, recipe)
    assert set(np.unique(shown.weight[0]).tolist()) == {0.5, 1.0}
    assert np.count_nonzero(shown.truth[0]) == pytest.approx(
        np.prod((shown.boxes[0] / 2)[2:] - (shown.boxes[0] / 2)[:2]), rel=0.15
    )


def test_boxes_can_be_shrunk_about_their_centre(samples: list[Sample]) -> None:
    drawn = rendered(samples[1])
    whole = example(samples[1], drawn, SIZE, DataRecipe()).boxes[0]
    small = example(samples[1], drawn, SIZE, DataRecipe(box_shrink=0.5)).boxes[0]
    assert np.allclose(small[:2] + small[2:], whole[:2] + whole[2:])
    assert np.allclose(small[2:] - small[:2], (whole[2:] - whole[:2]) / 2)


def test_around_incomplete_boxes_nothing_is_known(samples: list[Sample]) -> None:
    partial = replace(samples[1], exhaustive=False)
    shown = example(partial, rendered(partial), SIZE, DataRecipe())
    assert not shown.exhaustive
    assert set(np.unique(shown.weight[0]).tolist()) == {0.0, np.float32(0.3)}


def test_a_box_that_leaves_the_picture_makes_the_rest_unknown(
    samples: list[Sample],
) -> None:
    away = NOTHING.model_copy(update={"scale": (3.0, 3.0)})
    shown = example(samples[1], rendered(samples[1]), SIZE, DataRecipe(), away, rng())
    assert len(shown.boxes) == 0
    assert not shown.exhaustive
    assert not shown.weight[0].any()


def test_between_lungs_drawn_without_the_heart_nothing_is_known(
    samples: list[Sample],
) -> None:
    drawn = rendered(samples[0])
    whole = example(samples[0], drawn, SIZE, DataRecipe())
    assert whole.weight[1:].all()
    open_heart = replace(samples[0], heart_excluded=True)
    shown = example(open_heart, drawn, SIZE, DataRecipe())
    row, middle = 12, 16
    assert (shown.weight[1:, row, middle] == 0).all()
    assert (shown.weight[1:, row, 8] == 1).all(), "inside the right lung"
    assert (shown.weight[1:, 30, 30] == 1).all(), "outside the chest"
    assert (shown.weight[0] == 1).all()


def test_turned_masks_keep_tight_boxes(samples: list[Sample]) -> None:
    turn = AugmentationRecipe(spoil=0)
    for seed in range(6):
        shown = example(
            samples[0], rendered(samples[0]), SIZE, DataRecipe(), turn, rng(seed)
        )
        for box, mask in zip(shown.boxes, shown.masks, strict=True):
            rows, columns = np.nonzero(mask)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == tight


def test_the_same_seed_shows_the_same_picture(samples: list[Sample]) -> None:
    drawn, all_of_it = rendered(samples[0]), AugmentationRecipe()
    one, two, other = (
        example(samples[0], drawn, SIZE, DataRecipe(), all_of_it, rng(seed)).image
        for seed in (4, 4, 5)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_spoilt_film_only_teaches_that_it_is_not_frontal(
    samples: list[Sample],
) -> None:
    always = NOTHING.model_copy(update={"spoil": 1.0})
    shown = example(samples[0], rendered(samples[0]), SIZE, DataRecipe(), always, rng())
    assert shown.image_truth.tolist() == [0, 0]
    assert shown.image_weight.tolist() == [0, 1]
    assert not shown.weight.any()
    assert not shown.known


def test_every_way_to_spoil_and_change_keeps_the_size() -> None:
    grey = rng().integers(1, 255, (SIZE, SIZE), np.uint8)
    everything = AugmentationRecipe(
        blur=1, sharpen=1, noise=1, jpeg=1, coarse=1, clahe=1, burn_in=1
    )
    for seed in range(24):
        assert spoil(grey, rng(seed)).shape == grey.shape
        changed = change_grey(grey, everything, rng(seed))
        assert changed.shape == grey.shape
        assert changed.dtype == np.uint8


def test_without_any_change_the_grey_stays(samples: list[Sample]) -> None:
    grey = rendered(samples[0]).image
    assert np.array_equal(change_grey(grey, NOTHING, rng()), grey)


def test_a_synthetic_opacity_brightens_a_lung_and_brings_its_mask(
    samples: list[Sample],
) -> None:
    sample = replace(
        samples[2], right_lung=samples[0].right_lung, left_lung=samples[0].left_lung
    )
    drawn = render(sample, read_picture(sample.path), 256, "none")
    changed, told = add_opacity(sample, drawn, rng(1))
    assert told.opacities
    assert len(told.opacities) == len(changed.masks) == len(changed.boxes)
    union = np.logical_or.reduce([mask > 0 for mask in changed.masks])
    risen = changed.image.astype(int) - drawn.image
    assert risen[union].mean() > 3
    assert risen.min() >= 0
    shown = example(told, changed, SIZE, DataRecipe())
    assert shown.has_mask.all()
    assert shown.image_truth[0] == 1


def test_only_known_negatives_with_lungs_get_synthetic_opacities(
    samples: list[Sample],
) -> None:
    for sample in samples:
        drawn = rendered(sample)
        assert add_opacity(sample, drawn, rng()) == (drawn, sample)


def test_where_readers_disagree_the_dense_loss_weighs_nothing(
    samples: list[Sample],
) -> None:
    told = replace(samples[2], ignored=((60, 30, 30, 30),))
    shown = example(told, rendered(told), SIZE, DataRecipe())
    weight = shown.weight[0]
    scale = SIZE / 120 / 2
    rows = slice(round(32 * scale), round(58 * scale))
    columns = slice(round(62 * scale), round(88 * scale))
    assert not weight[rows, columns].any()
    assert weight[:, : round(55 * scale)].all()
    assert shown.ignored.shape == (1, 4)
    assert shown.image_truth[0] == 0


def test_around_a_mask_that_is_only_part_of_it_nothing_is_known(
    samples: list[Sample],
) -> None:
    told = replace(samples[0], outlined=False)
    shown = example(told, rendered(told), SIZE, DataRecipe())
    assert set(np.unique(shown.weight[0][shown.truth[0] == 0])) == {0}
    assert (shown.weight[0][shown.truth[0] == 1] == 1).all()
    assert not shown.overlap[0]


def test_around_boxes_of_which_none_has_a_mask_there_is_background(
    samples: list[Sample],
) -> None:
    told = replace(samples[1], outlined=False)
    whole = example(samples[1], rendered(told), SIZE, DataRecipe())
    shown = example(told, rendered(told), SIZE, DataRecipe())
    assert np.array_equal(shown.weight, whole.weight)
    assert (shown.weight[0] == 1).any()


def test_an_opacity_inside_an_ambiguous_box_is_learned_all_the_same(
    samples: list[Sample],
) -> None:
    told = replace(samples[0], ignored=((0, 0, 120, 96),))
    shown = example(told, rendered(told), SIZE, DataRecipe())
    assert shown.truth[0].any()
    assert (shown.weight[0][shown.truth[0] > 0] == 1).all()


def test_what_is_told_of_the_film_alone_teaches_the_image_head_alone(
    samples: list[Sample],
) -> None:
    told = replace(samples[4], shows_opacity=True)
    shown = example(told, rendered(told), SIZE, DataRecipe())
    assert (shown.image_truth[0], shown.image_weight[0]) == (1, 1)
    assert not shown.weight[0].any()
    assert not shown.known


def test_pictures_are_squeezed_when_asked_for(samples: list[Sample]) -> None:
    aspect = NOTHING.model_copy(update={"aspect": 0.4})
    sample = samples[0]
    sides = []
    for seed in range(8):
        shown = example(sample, rendered(sample), SIZE, DataRecipe(), aspect, rng(seed))
        x1, y1, x2, y2 = shown.boxes[0]
        sides.append((x2 - x1) / (y2 - y1))
    assert min(sides) < 0.9
    assert max(sides) > 1.1


def test_no_source_stands_for_a_label_when_sources_are_drawn_first(
    samples: list[Sample],
) -> None:
    sick, clean = samples[0], samples[2]
    told = [replace(sick, source="ward")] * 30 + [replace(clean, source="ward")] * 6
    told += [replace(sick, source="clinic")] * 2 + [replace(clean, source="clinic")] * 7
    told += [replace(clean, source="school")] * 16
    weights = sampling_weights(told, SamplingRecipe(by="source"))

    def share(source: str, kind: str) -> float:
        cell = [one.source == source and one.kind == kind for one in told]
        return float(weights[cell].sum())

    for source in ("ward", "clinic"):
        assert share(source, "mask") == pytest.approx(share(source, "negative"))
    ward, clinic = 2 * share("ward", "mask"), 2 * share("clinic", "mask")
    assert ward / clinic == pytest.approx((36 / 9) ** 0.5)
    assert share("school", "negative") / clinic == pytest.approx((16 / 9) ** 0.5)


def test_a_source_can_be_shown_more_often_or_never(samples: list[Sample]) -> None:
    told = [replace(samples[0], source=name) for name in ("a", "b", "c")]
    for by in ("kind", "source"):
        recipe = SamplingRecipe(by=by, sources={"b": 3, "c": 0})
        weights = sampling_weights(told, recipe)
        assert weights == pytest.approx([0.25, 0.75, 0])


def test_a_source_named_as_one_sided_is_not_balanced(samples: list[Sample]) -> None:
    told = [replace(samples[0], source="mixed")] * 6
    told += [replace(samples[2], source="mixed")] * 2
    assert one_sided_sources(told) == set()
    assert one_sided_sources(told, ["mixed"]) == {"mixed"}
    wanted = SamplingRecipe(by="source", one_sided=("mixed",))
    weights = sampling_weights(told, wanted)
    assert weights == pytest.approx(np.full(8, 1 / 8))


def test_the_few_clean_films_of_a_source_are_not_learned_by_heart(
    samples: list[Sample],
) -> None:
    told = [replace(samples[0], source="journal")] * 30
    told += [replace(samples[2], source="journal")]
    weights = sampling_weights(told, SamplingRecipe(by="source"))
    assert weights == pytest.approx(np.full(31, 1 / 31))


def test_batches_depend_on_seed_and_step_alone(tiny: Recipe, tmp_path: Path) -> None:
    samples = read_samples(tiny.data)
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    once, again = (Batches(samples, tiny, cache, collate) for _ in range(2))
    again.at(0)
    first, second = once.at(3)[0], again.at(3)[0]
    assert first.equal(second)
    assert not first.equal(once.at(2)[0])
    seeded = tiny.model_copy(
        update={"schedule": tiny.schedule.model_copy(update={"seed": 1})}
    )
    assert not first.equal(Batches(samples, seeded, cache, collate).at(3)[0])


def test_small_pictures_come_first_when_asked_for(tiny: Recipe, tmp_path: Path) -> None:
    schedule = tiny.schedule.model_copy(update={"small_px": 64, "small_steps": 2})
    network = tiny.network.model_copy(update={"input_px": 128})
    recipe = tiny.model_copy(update={"schedule": schedule, "network": network})
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    batches = Batches(read_samples(recipe.data), recipe, cache, collate)
    assert batches.at(1)[0].shape == (2, 1, 64, 64)
    assert batches.at(2)[0].shape == (2, 1, 128, 128)


def test_rare_kinds_and_small_sources_are_shown_more_often(
    samples: list[Sample],
) -> None:
    many = [replace(samples[2], key=str(index), source="big") for index in range(99)]
    told = [*samples, *many]
    weights = sampling_weights(told, SamplingRecipe())
    assert weights.sum() == pytest.approx(1)
    share = weights[[one.kind == "negative" for one in told]].sum()
    wanted = SamplingRecipe()
    assert share == pytest.approx(wanted.negative / (1 - wanted.not_frontal), rel=1e-6)
    assert weights[2] > 5 * weights[-1]


def test_a_source_with_one_kind_of_patient_is_recognised(
    samples: list[Sample],
) -> None:
    sick = [replace(samples[0], source="journal") for _ in range(20)]
    assert one_sided_sources([*samples, *sick]) == {"journal"}
