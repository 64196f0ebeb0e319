from datetime import UTC, datetime

import numpy as np
import pytest

from dicom_node.analysis.process import Analyzed, Analyzer, Failed, Source
from dicom_node.errors import DatasetInvalid, NotEligible, PixelsUndecodable
from inference.errors import (
    ModelFailed,
    ModelUnreachable,
    OutOfMemory,
    UnsuitableImage,
)
from tests.factories.analyses import a_maker, a_style
from tests.factories.choices import rules
from tests.factories.nodes import save
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.runner import ScriptedRunner, chest_prediction, scripted_manifest

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RULES = rules(minimum_size_px=64)


def analyzer(runner, kinds=()):
    runner.load()
    return Analyzer(runner, RULES, a_maker(), a_style(), kinds)


def source(path):
    return Source(path, "ab" * 32, NOW)


@pytest.fixture
def films(tmp_path):
    made = [synthetic_dataset("CR", seed, rows=128, columns=112) for seed in range(8)]
    return [source(save(dataset, tmp_path)) for dataset in made]


class Choosy(ScriptedRunner):
    """Refuses batches above a size, or those that hold a poisonous image."""

    def __init__(self, most=99, poison=None):
        super().__init__()
        self.most = most
        self.poison = poison
        self.tried = []

    def run(self, batch):
        self.tried.append(len(batch))
        if len(batch) > self.most:
            raise OutOfMemory("too large")
        if self.poison is not None and any(
            np.array_equal(one, self.poison) for one in batch
        ):
            raise ModelFailed("poisoned")
        return super().run(batch)


def test_a_batch_is_one_run_and_answers_come_in_order(films):
    runner = ScriptedRunner()
    outcomes = list(analyzer(runner).analyze(films))
    assert runner.batches == [8]
    assert [type(outcome) for outcome in outcomes] == [Analyzed] * 8


def test_a_batch_too_large_for_the_memory_is_halved_and_remembered(films):
    runner = Choosy(most=3)
    subject = analyzer(runner)
    assert all(isinstance(one, Analyzed) for one in subject.analyze(films))
    assert runner.tried == [8, 4, 2, 2, 4, 2, 2]
    runner.tried.clear()
    assert all(isinstance(one, Analyzed) for one in subject.analyze(films))
    assert runner.tried == [2, 2, 2, 2]


def test_an_image_that_the_model_chokes_on_is_found_and_fails_alone(films):
    seen = []
    spy = ScriptedRunner(
        lambda image: seen.append(image) or chest_prediction(scripted_manifest())
    )
    list(analyzer(spy).analyze(films))
    outcomes = list(analyzer(Choosy(poison=seen[5])).analyze(films))
    failed = [place for place, one in enumerate(outcomes) if isinstance(one, Failed)]
    assert failed == [5]
    assert isinstance(outcomes[5].error, ModelFailed)


def test_a_batch_that_reaches_no_engine_is_not_halved_and_every_image_fails(films):
    runner = ScriptedRunner(lambda _: ModelUnreachable("no answer"))
    outcomes = list(analyzer(runner).analyze(films))
    assert runner.batches == [8]
    assert all(
        isinstance(one, Failed) and isinstance(one.error, ModelUnreachable)
        for one in outcomes
    )


def test_unreadable_and_unsuitable_images_fail_alone_each_with_its_error(
    films, tmp_path
):
    html = tmp_path / "page.dcm"
    html.write_text("<html>")
    lateral = synthetic_dataset("CR", 20, rows=128, columns=112, ViewPosition="LL")
    cut = synthetic_dataset("CR", 21, rows=128, columns=112)
    cut.PixelData = cut.PixelData[:100]
    batch = [
        films[0],
        source(html),
        source(save(lateral, tmp_path)),
        source(save(cut, tmp_path)),
        source(tmp_path / "absent.dcm"),
        films[1],
    ]
    runner = ScriptedRunner()
    outcomes = list(analyzer(runner).analyze(batch))
    errors = [type(one.error) if isinstance(one, Failed) else None for one in outcomes]
    assert errors == [
        None,
        DatasetInvalid,
        NotEligible,
        PixelsUndecodable,
        FileNotFoundError,
        None,
    ]
    assert runner.batches == [2]


def test_an_image_without_lungs_is_unsuitable(films):
    manifest = scripted_manifest()
    nothing = chest_prediction(manifest, frontal=0.01)
    (outcome,) = analyzer(ScriptedRunner(lambda _: nothing, manifest)).analyze(
        films[:1]
    )
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, UnsuitableImage)


def test_a_repeated_run_writes_the_same_bytes(films):
    kinds = ("segmentation", "lung-segmentation", "measurement-report")
    first, second = (
        next(iter(analyzer(ScriptedRunner(), kinds).analyze(films[:1])))
        for _ in range(2)
    )
    assert [one.kind for one in first.evidence] == list(kinds)
    assert [one.content for one in first.evidence] == [
        one.content for one in second.evidence
    ]


def test_results_are_named_after_the_bytes_that_were_analysed(films):
    other = Source(films[0].path, "cd" * 32, NOW)
    outcomes = analyzer(ScriptedRunner(), ("measurement-report",)).analyze(
        [films[0], other]
    )
    names = {one.evidence[0].dataset.SOPInstanceUID for one in outcomes}
    assert len(names) == 2
