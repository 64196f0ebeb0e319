"""What annotated folders say, and the one line said about a broken one."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

from inference.errors import TrainingError
from inference.frame import Frame
from inference.training.data.dataset import (
    Sample,
    digest,
    read_coco,
    read_picture,
    read_rsna,
    read_samples,
)
from inference.training.data.render import RenderCache, full_mask, render
from inference.training.recipe.data import CocoSource, DataRecipe, RsnaSource
from tests.unit.inference.training.conftest import (
    COLUMNS,
    ROWS,
    annotation,
    coco_table,
    write_coco,
)

Change = Callable[[dict[str, Any]], object]


def coco(path: Path) -> CocoSource:
    return CocoSource(annotations=path, images=path.parent)


def test_every_kind_of_annotation_is_told_apart(made: Path) -> None:
    samples = read_samples(DataRecipe(coco=(coco(made),)))
    kinds = [sample.kind for sample in samples]
    assert kinds == ["mask", "box", "negative", "lungs", "unknown", "mask"]
    assert [sample.fold for sample in samples] == [1, 1, 1, 1, 1, 0]
    assert samples[3].opacity_known is False
    assert samples[1].opacities[0].segmentation is None
    assert samples[1].right_lung is None


def test_the_real_data_set_reads_as_its_readme_counts(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "cxr"
    source = CocoSource(
        annotations=folder / "annotations.json", images=folder / "images"
    )
    samples = read_coco(source, folds=5)
    count = {
        kind: sum(sample.kind == kind for sample in samples)
        for kind in ("mask", "box", "negative", "lungs", "unknown")
    }
    assert count == {
        "mask": 69,
        "box": 103,
        "negative": 400,
        "lungs": 256,
        "unknown": 65,
    }
    assert sum(sample.heart_excluded for sample in samples) == 219
    assert sum(not sample.exhaustive for sample in samples) == 9


def test_the_further_data_set_reads_as_its_readme_counts(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "cxr-more"
    source = CocoSource(
        annotations=folder / "annotations.json", images=folder / "images"
    )
    samples = read_coco(source, folds=5)
    kinds = ("mask", "box", "negative", "lungs", "unknown")
    count = {kind: sum(one.kind == kind for one in samples) for kind in kinds}
    # 52 of the 3,879 boxed films have whole lungs marked: that tells no place
    assert count == {
        "mask": 804,
        "box": 3827,
        "negative": 2710,
        "lungs": 871,
        "unknown": 0,
    }
    complete = [
        one
        for one in samples
        if one.outlined
        and one.opacities
        and all(each.segmentation for each in one.opacities)
    ]
    assert len(complete) == 642
    assert sum(one.heart_excluded for one in samples) == 2593
    assert sum(one.shows_opacity is True for one in samples) == 445 + 52
    assert sum(len(one.ignored) > 0 for one in samples) == 27
    assert sum(not one.patient_known for one in samples) == 891


def changed_film(folder: Path, **facts: object) -> Sample:
    """The first film (outlined) of a small folder with these facts on it."""
    table = coco_table()
    table["images"][0].update(facts)
    return read_coco(coco(write_coco(folder / "made", table)), folds=5)[0]


def test_whole_lungs_marked_tell_of_the_film_and_of_no_place(tmp_path: Path) -> None:
    film = changed_film(tmp_path, mask_whole_lung=True)
    assert (film.opacities, film.opacity_known) == ((), False)
    assert film.positive is True


def test_a_probable_opacity_tells_of_the_film_alone(tmp_path: Path) -> None:
    facts = {"opacity_annotated": False, "image_level_opacity": "probable"}
    film = changed_film(tmp_path, **facts)
    assert (film.opacity_known, film.positive) == (False, True)


def test_unknown_is_neither_sick_nor_healthy(tmp_path: Path) -> None:
    film = changed_film(tmp_path, opacity_annotated=False)
    assert film.positive is None


def test_boxes_about_which_readers_disagree_are_read_as_such(tmp_path: Path) -> None:
    film = changed_film(tmp_path, ambiguous_boxes=[[50, 40, 20, 10]])
    assert film.ignored == ((50, 40, 20, 10),)
    assert changed_film(tmp_path / "null", ambiguous_boxes=None).ignored == ()


def test_a_film_of_a_patient_nobody_knows_is_marked(tmp_path: Path) -> None:
    assert changed_film(tmp_path, nih_patient_unknown=True).patient_known is False
    assert changed_film(tmp_path / "known").patient_known is True


@pytest.mark.parametrize("words", ["excludes heart", "without heart (human)"])
def test_lungs_drawn_without_the_heart_are_told_by_their_definition(
    tmp_path: Path, words: str
) -> None:
    table = coco_table()
    for one in table["annotations"]:
        if one["image_id"] == 3:
            one["attributes"] = {"lung_definition": words}
    samples = read_coco(coco(write_coco(tmp_path / "made", table)), folds=5)
    assert [one.heart_excluded for one in samples].count(True) == 1
    assert samples[3].heart_excluded


def test_of_masks_that_a_network_drew_only_the_box_may_be_believed(
    tmp_path: Path,
) -> None:
    table = coco_table()
    table["annotations"][0]["machine"] = True
    source = coco(write_coco(tmp_path / "made", table))
    learned = read_samples(DataRecipe(coco=(source,)))
    boxed = read_samples(DataRecipe(coco=(source,), machine_masks="boxed"))
    kinds = [one.kind for one in learned]
    assert kinds == ["mask", "box", "negative", "lungs", "unknown", "mask"]
    assert [one.kind for one in boxed] == ["box", *kinds[1:]]
    assert boxed[0].opacities[0].box == learned[0].opacities[0].box


def test_two_folders_with_the_same_names_are_read_side_by_side(
    tmp_path: Path,
) -> None:
    sources = [coco(write_coco(tmp_path / name, coco_table())) for name in "ab"]
    samples = read_samples(DataRecipe(coco=tuple(sources)))
    assert len({one.key for one in samples}) == 12
    assert samples[-1].key == "b/5-mask.png"


def test_folds_of_what_is_not_frontal_are_those_of_its_index(tmp_path: Path) -> None:
    made = write_coco(tmp_path / "made", coco_table())
    folder = tmp_path / "others"
    write_coco(folder, coco_table())
    rows = [{"file_name": "0-mask.png", "fold": 12}, {"file_name": "1-box.png"}]
    (folder / "index.json").write_text(json.dumps(rows))
    recipe = DataRecipe(coco=(coco(made),), not_frontal=(folder,))
    others = [one for one in read_samples(recipe) if not one.frontal]
    assert [one.fold for one in others] == [12, 1, 2, 3, 4, 0]
    (folder / "index.json").write_text("{")
    with pytest.raises(TrainingError, match=r"index\.json: not a list of pictures"):
        read_samples(recipe)


def test_patients_without_a_fold_never_straddle_folds(tmp_path: Path) -> None:
    table = coco_table()
    for image in table["images"]:
        del image["fold"]
        image["patient_id"] = "one"
    samples = read_coco(coco(write_coco(tmp_path / "made", table)), folds=5)
    assert len({sample.fold for sample in samples}) == 1


def _category(number: object) -> Change:
    return lambda table: table["annotations"][0].update(category_id=number)


def _image(**facts: object) -> Change:
    return lambda table: table["images"][0].update(facts)


def _without(key: str) -> Change:
    return lambda table: table["images"][0].pop(key)


def _outline(outline: object) -> Change:
    return lambda table: table["annotations"][0].update(segmentation=outline)


BROKEN: list[tuple[Change, str]] = [
    (_image(ambiguous_boxes=[[1, 2, 3]]), r"image 0: ambiguous_boxes are not"),
    (_image(ambiguous_boxes=7), r"image 0: ambiguous_boxes are not"),
    (
        _image(ambiguous_boxes=[[100, 30, 24, 24]]),
        r"image 0: box \[100, 30, 24, 24\] is not inside",
    ),
    (lambda t: t.update(annotations=[]), r"annotations\.json: no annotations"),
    (lambda t: t.update(images=[]), r"annotations\.json: no images"),
    (lambda t: t.pop("images"), r"no list 'images': not COCO"),
    (_category(7), r"annotation 10: category_id 7"),
    (
        lambda t: t["categories"].append({"id": 4, "name": "heart"}),
        r"category 'heart' is not one of: lung_opacity",
    ),
    (
        lambda t: t["categories"][0].update(name="pneumonia"),
        r"category 'pneumonia' is not one of",
    ),
    (
        lambda t: t["annotations"][0].update(bbox=[100, 30, 24, 24]),
        r"annotation 10: box \[100, 30, 24, 24\] is not inside the 120 x 96 image",
    ),
    (
        lambda t: t["annotations"][0].update(bbox=[10, 30, 0, 24]),
        r"annotation 10: box .* is not inside",
    ),
    (
        lambda t: t["annotations"][0].update(bbox=[1, 2, 3]),
        r"annotation 10: bbox is not",
    ),
    (
        lambda t: t["annotations"][0].update(image_id=99),
        r"annotation 10: no image 99",
    ),
    (
        lambda t: t["annotations"][0].update(image_id=[1]),
        r"annotation 10: no image \[1\]",
    ),
    (
        lambda t: t["annotations"][0].update(bbox=["a", 1, 2, 3]),
        r"annotation 10: bbox is not",
    ),
    (lambda t: t["annotations"].append(5), r"annotations: 5 is no object"),
    (lambda t: t["categories"].append(5), r"categories: 5 is no object"),
    (lambda t: t["images"].append(3), r"images\[6\]: not an object"),
    (_category([1]), r"annotation 10: category_id \[1\]"),
    (_without("id"), r"images\[0\]: image None: id is neither"),
    (_without("file_name"), r"images\[0\]: image 0: no file_name"),
    (_without("width"), r"image 0: width is not a number of pixels"),
    (_image(height="tall"), r"image 0: height is not a number of pixels"),
    (_image(fold="one"), r"image 0: fold 'one' is not a whole number"),
    (_image(id=1), r"two images have the same id"),
    (_outline([[1, 2, 3, 4]]), r"annotation 10: segmentation is neither"),
    (_outline([1, 2, 3, 4, 5, 6]), r"annotation 10: segmentation is neither"),
    (_outline("outline"), r"annotation 10: segmentation is neither"),
    (_outline({"counts": [1]}), r"annotation 10: segmentation is neither"),
    (
        _outline({"size": [96, 120], "counts": [5, 3]}),
        r"annotation 10: segmentation is neither",
    ),
]


@pytest.mark.parametrize(("change", "line"), BROKEN)
def test_a_broken_coco_file_gets_one_line_naming_the_place(
    tmp_path: Path, change: Change, line: str
) -> None:
    table = coco_table()
    path = write_coco(tmp_path / "made", table)
    change(table)
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(TrainingError, match=line) as caught:
        read_samples(DataRecipe(coco=(coco(path),)))
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path, made: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.json: no such file"):
        read_coco(coco(tmp_path / "none.json"), folds=5)
    (made.parent / "2-negative.png").unlink()
    samples = read_samples(DataRecipe(coco=(coco(made),)))
    with pytest.raises(TrainingError, match=r"2-negative\.png: no such image"):
        digest(samples)
    with pytest.raises(TrainingError, match=r"2-negative\.png: no such image"):
        read_picture(samples[2].path)


def test_text_that_is_no_json_or_no_picture_is_named(
    tmp_path: Path, made: Path
) -> None:
    made.write_text("{", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"annotations\.json: not JSON"):
        read_coco(coco(made), folds=5)
    page = tmp_path / "page.png"
    page.write_text("<html>", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"page\.png: not a readable JPEG or PNG"):
        read_picture(page)


def test_a_recipe_without_data_is_refused() -> None:
    with pytest.raises(TrainingError, match="data: no coco and no rsna"):
        read_samples(DataRecipe())


def test_a_picture_of_another_size_than_annotated_is_refused(made: Path) -> None:
    sample = read_samples(DataRecipe(coco=(coco(made),)))[0]
    frame = Frame(np.zeros((50, 60), np.float32))
    with pytest.raises(TrainingError, match=r"60 x 50 pixels, its annotation says"):
        render(sample, frame, 64, "none")


def test_not_frontal_folders_must_hold_pictures(tmp_path: Path, made: Path) -> None:
    empty = tmp_path / "lateral"
    recipe = DataRecipe(coco=(coco(made),), not_frontal=(empty,))
    with pytest.raises(TrainingError, match="lateral: no such folder"):
        read_samples(recipe)
    empty.mkdir()
    with pytest.raises(TrainingError, match="lateral: no pictures"):
        read_samples(recipe)


def test_naive_reading_takes_silence_for_absence(made: Path) -> None:
    naive = DataRecipe(coco=(coco(made),), partial_labels="naive")
    assert all(sample.opacity_known for sample in read_samples(naive))


def test_the_digest_follows_pixels_and_labels(made: Path) -> None:
    recipe = DataRecipe(coco=(coco(made),))
    before = digest(read_samples(recipe))
    assert before == digest(read_samples(recipe))
    picture = made.parent / "0-mask.png"
    old = picture.read_bytes()
    picture.write_bytes((made.parent / "1-box.png").read_bytes())
    assert digest(read_samples(recipe)) != before
    picture.write_bytes(old)
    table = coco_table()
    table["annotations"][0]["bbox"][0] += 1
    made.write_text(json.dumps(table), encoding="utf-8")
    assert digest(read_samples(recipe)) != before


def test_outlines_land_where_the_letterboxed_picture_is(made: Path) -> None:
    sample = read_samples(DataRecipe(coco=(coco(made),)))[0]
    done = render(sample, read_picture(sample.path), 60, "none")
    assert (done.inner_rows, done.inner_columns) == (48, 60)
    assert done.boxes.tolist() == [[10, 15, 12, 12]]
    mask = done.masks[0]
    assert mask is not None
    rows, columns = np.nonzero(mask > 127)
    assert (rows.min(), rows.max()) == (15, 26)
    assert (columns.min(), columns.max()) == (10, 21)
    assert not done.image[48:].any()


@pytest.mark.parametrize("contrast", ["clahe", "histogram"])
def test_contrast_steps_change_the_picture_but_not_its_padding(
    made: Path, contrast: str
) -> None:
    sample = read_samples(DataRecipe(coco=(coco(made),)))[0]
    frame = read_picture(sample.path)
    plain = render(sample, frame, 64, "none").image
    changed = render(sample, frame, 64, contrast)
    assert (changed.image != plain).any()
    assert not changed.image[changed.inner_rows :].any()


def test_a_cached_rendering_equals_the_first(made: Path, tmp_path: Path) -> None:
    sample = read_samples(DataRecipe(coco=(coco(made),)))[0]
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    fresh = render(sample, read_picture(sample.path), 64, "none")
    for _ in range(2):
        kept = cache.get(sample, 64)
        assert np.array_equal(kept.image, fresh.image)
        assert np.array_equal(kept.boxes, fresh.boxes)
        assert np.array_equal(kept.masks[0], fresh.masks[0])
        assert np.array_equal(kept.right_lung, fresh.right_lung)


def test_polygons_and_run_lengths_fill_alike() -> None:
    polygon = [[2, 2, 6, 2, 6, 5, 2, 5]]
    filled = full_mask(polygon, 8, 10)
    column_major = filled.ravel(order="F")
    edges = np.flatnonzero(np.diff(column_major)) + 1
    counts = np.diff([0, *edges, column_major.size]).tolist()
    runs = {"size": [8, 10], "counts": counts}
    assert np.array_equal(full_mask(runs, 8, 10), filled)
    assert filled.sum() == 12


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 7, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = pixels.tobytes()
    ds.save_as(path, enforce_file_format=True)


def read_dicom(path: Path) -> Frame:
    return Frame(pydicom.dcmread(path).pixel_array.astype(np.float32) / 255)


def write_rsna(folder: Path) -> RsnaSource:
    """The challenge's layout: two boxes on a, none on b and c."""
    images = folder / "stage_2_train_images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in "abc":
        write_dicom(images / f"{name}.dcm", rng.integers(0, 255, (128, 128), np.uint8))
    labels = folder / "stage_2_train_labels.csv"
    with labels.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patientId", "x", "y", "width", "height", "Target"])
        writer.writerow(["a", 20.0, 30.0, 24.0, 40.0, 1])
        writer.writerow(["a", 80.0, 30.0, 24.0, 40.0, 1])
        writer.writerow(["b", "", "", "", "", 0])
        writer.writerow(["c", "", "", "", "", 0])
    classes = folder / "stage_2_detailed_class_info.csv"
    lines = ["patientId,class", "a,Lung Opacity", "a,Lung Opacity"]
    lines += ["b,No Lung Opacity / Not Normal", "c,Normal"]
    classes.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return RsnaSource(labels=labels, classes=classes, images=images)


def test_the_challenge_layout_is_read_with_its_boxes(tmp_path: Path) -> None:
    samples = read_rsna(write_rsna(tmp_path), folds=5)
    assert [sample.kind for sample in samples] == ["box", "negative", "negative"]
    assert [one.box for one in samples[0].opacities] == [
        (20.0, 30.0, 24.0, 40.0),
        (80.0, 30.0, 24.0, 40.0),
    ]
    assert samples[1].facts["rsna_class"] == "No Lung Opacity / Not Normal"
    done = render(samples[0], read_dicom(samples[0].path), 64, "none")
    assert done.boxes.tolist() == [[10, 15, 12, 20], [40, 15, 12, 20]]
    assert done.masks == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("a,20.0,30.0,24.0,40.0,1", "a,20.0,30.0,nan,40.0,1", "line 2: box"),
        ("a,20.0,30.0,24.0,40.0,1", "a,20.0,30.0,wide,40.0,1", "line 2: no box"),
        ("b,,,,,0", "b,,,,,2", "line 4: Target '2' is not 0 or 1"),
        ("b,,,,,0", "b", "line 4: Target None is not 0 or 1"),
        ("c,,,,,0", "c,,,,,0\nd,,,,,0", "no class for patientId d"),
        ("Target", "target", "no column 'Target'"),
        ("patientId,x", "\xff,x", "not a CSV file"),
    ],
)
def test_a_wrong_row_of_the_challenge_is_named_by_its_line(
    tmp_path: Path, old: str, new: str, line: str
) -> None:
    source = write_rsna(tmp_path)
    text = source.labels.read_text(encoding="utf-8")
    assert old in text
    source.labels.write_text(text.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(TrainingError, match=line) as caught:
        read_rsna(source, folds=5)
    assert "\n" not in str(caught.value)


def test_a_broken_challenge_folder_gets_one_line(tmp_path: Path) -> None:
    source = write_rsna(tmp_path)
    text = source.labels.read_text(encoding="utf-8")
    source.labels.write_text(text.replace("a,20.0", "a,-20.0"), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"labels\.csv: line 2: box"):
        read_rsna(source, folds=5)
    source.labels.write_text(text.replace("a,20.0", "a,"), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"labels\.csv: line 2: no box"):
        read_rsna(source, folds=5)
    source.labels.write_text(text.replace("Target", "target"), encoding="utf-8")
    with pytest.raises(TrainingError, match="no column 'Target'"):
        read_rsna(source, folds=5)
    source.labels.write_text(text.splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"labels\.csv: no rows"):
        read_rsna(source, folds=5)
    source.labels.write_text(text, encoding="utf-8")
    source.classes.write_text("patientId,class\na,Lung Opacity\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="no class for patientId b"):
        read_rsna(source, folds=5)
    source.classes.unlink()
    with pytest.raises(TrainingError, match=r"class_info\.csv: no such file"):
        read_rsna(source, folds=5)


def test_a_challenge_box_beyond_its_image_is_refused(tmp_path: Path) -> None:
    source = write_rsna(tmp_path)
    text = source.labels.read_text(encoding="utf-8")
    source.labels.write_text(text.replace("80.0,30.0", "110.0,30.0"), encoding="utf-8")
    sample = read_rsna(source, folds=5)[0]
    with pytest.raises(TrainingError, match=r"a\.dcm: box .*128 x 128 image"):
        render(sample, read_dicom(sample.path), 64, "none")


def test_boxes_may_touch_the_edge_of_the_picture(tmp_path: Path) -> None:
    table = coco_table()
    edge = annotation(99, 4, 1, (COLUMNS - 20, ROWS - 10, 20, 10))
    table["annotations"].append(edge)
    table["images"][4]["opacity_annotated"] = True
    samples = read_coco(coco(write_coco(tmp_path / "made", table)), folds=5)
    assert samples[4].opacities[0].box == (100, 86, 20, 10)


@pytest.mark.parametrize(
    "names",
    [
        {1: "left_lung", 2: "lung_opacity", 3: "right_lung"},
        {10: "lung_opacity", 0: "right_lung", 77: "left_lung"},
        {2: "Right lung", 3: "Left-Lung", 1: "LUNG OPACITY"},
    ],
)
def test_categories_are_known_by_name_not_by_number(tmp_path, names):
    table = coco_table()
    meant = write_coco(tmp_path / "as-it-is", table)
    plain = {
        name.lower().replace(" ", "_").replace("-", "_"): k for k, name in names.items()
    }
    ours = {1: "lung_opacity", 2: "right_lung", 3: "left_lung"}
    for one in table["annotations"]:
        one["category_id"] = plain[ours[one["category_id"]]]
    table["categories"] = [{"id": k, "name": name} for k, name in names.items()]
    other = write_coco(tmp_path / "other", table)

    def read(path):
        source = CocoSource(annotations=path, images=path.parent)
        return [
            (one.key, one.opacities, one.right_lung, one.left_lung)
            for one in read_coco(source, 2)
        ]

    assert read(other) == read(meant)
