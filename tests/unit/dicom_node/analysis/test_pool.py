"""Films are read in processes: what ends one of them costs one film at most."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dicom_node.analysis.pool import ReaderPool
from dicom_node.analysis.reader import ReaderOptions
from dicom_node.analysis.reading import ReadingTask, read_film
from dicom_node.errors import (
    NotEligible,
    PixelsUndecodable,
    ProcessLost,
    ReadersUnavailable,
)
from storage.errors import ObjectCorrupt
from tests.factories.choices import rules
from tests.factories.nodes import save, wait_until
from tests.factories.radiographs import synthetic_dataset
from tests.peers import mortal_reader

RULES = rules(minimum_size_px=64)
MEMORY_BYTES = 1 << 30
pytestmark = pytest.mark.slow


def options(**changes):
    values = {"readers": 2, "memory_bytes": MEMORY_BYTES, "time_s": 60.0} | changes
    return ReaderOptions(**values)


@pytest.fixture(scope="module")
def pool():
    with closing(ReaderPool(options(), mortal_reader.read)) as pool:
        yield pool


@pytest.fixture
def task_of(tmp_path):
    def make(seed=0, **attributes):
        film = synthetic_dataset("CR", seed, rows=128, columns=112, **attributes)
        return ReadingTask(save(film, tmp_path), RULES)

    return make


def test_a_film_read_in_a_process_is_the_film_read_here(pool, task_of):
    task = task_of()
    there, here = pool.submit(task).result(), read_film(task)
    assert there.dataset == here.dataset
    assert there.dataset.file_meta == here.dataset.file_meta
    assert np.array_equal(there.frame.pixels, here.frame.pixels)
    assert there.frame.remarks == here.frame.remarks


@pytest.mark.parametrize("how", [mortal_reader.ABORTS, mortal_reader.KILLED])
def test_a_film_that_ends_its_process_is_named_and_those_beside_it_are_read(
    pool, task_of, how
):
    films = [task_of(seed) for seed in range(4)]
    bad = task_of(9, StudyDescription=how)
    readings = [pool.submit(task) for task in (*films[:2], bad, *films[2:])]
    culprit = readings.pop(2)
    assert [reading.result().frame.rows for reading in readings] == [128] * 4
    assert isinstance(culprit.exception(), ProcessLost)


def test_a_film_whose_process_ended_once_is_read_in_another(pool, task_of):
    task = task_of(StudyDescription=mortal_reader.DIES_ONCE)
    assert pool.submit(task).result().frame.rows == 128


def test_a_film_that_takes_too_long_ends_its_process(task_of):
    with closing(ReaderPool(options(time_s=0.5), mortal_reader.read)) as pool:
        reading = pool.submit(task_of(StudyDescription=mortal_reader.HANGS))
        with pytest.raises(ProcessLost, match="too long"):
            reading.result()


def test_a_film_that_takes_too_much_memory_is_refused_and_the_next_is_read(
    pool, task_of
):
    reading = pool.submit(task_of(StudyDescription=mortal_reader.SWELLS))
    assert isinstance(reading.exception(), PixelsUndecodable)
    assert pool.submit(task_of(1)).result().frame.rows == 128


def test_errors_keep_their_class_and_their_code(pool, task_of):
    lateral = pool.submit(task_of(ViewPosition="LL")).exception()
    assert isinstance(lateral, NotEligible)
    assert lateral.code == "VIEW_LATERAL"
    gone = ReadingTask(Path("/nowhere/film.dcm"), RULES)
    assert isinstance(pool.submit(gone).exception(), FileNotFoundError)


def test_an_error_that_cannot_travel_is_still_an_error(task_of):
    with closing(ReaderPool(options(), mortal_reader.refuse_everything)) as pool:
        error = pool.submit(task_of()).exception()
    assert isinstance(error, RuntimeError)


def test_other_bytes_than_those_stored_are_not_read(pool, task_of):
    task = task_of()
    altered = ReadingTask(task.path, RULES, "ab" * 32)
    assert isinstance(pool.submit(altered).exception(), ObjectCorrupt)


def test_where_no_process_starts_no_film_is_blamed(task_of):
    with closing(ReaderPool(options(), mortal_reader.NeverStarts())) as pool:
        error = pool.submit(task_of()).exception()
    assert isinstance(error, ReadersUnavailable)


def test_what_is_being_read_when_the_readers_are_closed_is_not_blamed(
    task_of,
):
    pool = ReaderPool(options(time_s=600.0), mortal_reader.read)
    reading = pool.submit(task_of(StudyDescription=mortal_reader.HANGS))
    assert wait_until(lambda: pool._all)
    pool.close()
    assert isinstance(reading.exception(), ReadersUnavailable)
    assert isinstance(pool.submit(task_of(1)).exception(), ReadersUnavailable)
