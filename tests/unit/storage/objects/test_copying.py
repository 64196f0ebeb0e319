"""Copying a store: what is lacking, no further, and never backwards."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage.errors import StoreMismatch
from storage.objects import copying
from storage.objects.copying import Fate, check_direction, missing
from storage.objects.files import FileObjectStore
from storage.objects.mark import Mark, MarkFile

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.fixture
def source(tmp_path):
    return FileObjectStore(tmp_path / "source")


@pytest.fixture
def target(tmp_path):
    return FileObjectStore(tmp_path / "target")


@pytest.fixture
def marks(tmp_path):
    for name in ("source", "target"):
        (tmp_path / name).mkdir(exist_ok=True)
    return MarkFile(tmp_path / "source"), MarkFile(tmp_path / "target")


def put(store, content):
    return store.put(io.BytesIO(content)).key


def test_only_what_is_lacking_is_copied(source, target):
    both, new = put(source, b"both"), put(source, b"new")
    put(target, b"both")
    assert missing(source, target) == [new]
    assert list(copying.copy([new], source, target)) == [(new, Fate.COPIED)]
    target.verify(new)
    target.verify(both)


def test_a_damaged_object_stays_behind_and_is_told(source, target):
    key = put(source, b"abc")
    with source.local(key) as path:
        path.write_bytes(b"abd")
    assert list(copying.copy([key], source, target)) == [(key, Fate.CORRUPT)]
    assert list(target.keys()) == []


def test_what_goes_meanwhile_is_no_failure(source, target):
    key = put(source, b"abc")
    source.delete(key)
    assert list(copying.copy([key], source, target)) == [(key, Fate.GONE)]


def test_what_is_gone_since_it_was_copied_is_set_aside_at_the_target(source, target):
    kept, gone = put(source, b"kept"), put(source, b"gone")
    list(copying.copy([kept, gone], source, target))
    source.delete(gone)
    assert copying.set_aside_gone(source, target, NOW) == 1
    assert list(target.keys()) == [kept]
    assert [one.key for one in target.aside()] == [gone]


def test_a_copy_has_the_mark_of_its_source(marks, target):
    source, copied = marks
    source.write(Mark.new(NOW))
    check_direction(source, copied, target)
    assert copied.read() == source.read()
    check_direction(source, copied, target)


def test_a_store_that_no_node_used_is_not_copied(marks, target):
    with pytest.raises(StoreMismatch, match="nothing to copy"):
        check_direction(*marks, target)


def test_objects_of_nobody_are_not_taken_over(marks, target):
    marks[0].write(Mark.new(NOW))
    put(target, b"whose?")
    with pytest.raises(StoreMismatch, match="empty place"):
        check_direction(*marks, target)


def test_a_store_of_another_node_is_not_written_to(marks, target):
    for one in marks:
        one.write(Mark.new(NOW))
    with pytest.raises(StoreMismatch, match="another node"):
        check_direction(*marks, target)


def test_a_store_in_use_is_not_overwritten_by_the_one_before_it(marks, target):
    source, copied = marks
    mark = Mark.new(NOW)
    source.write(mark)
    copied.write(replace(mark, generation=mark.generation + 1))
    with pytest.raises(StoreMismatch, match="newer"):
        check_direction(source, copied, target)
