from datetime import UTC, datetime, timedelta

import pytest

from storage.errors import StoreMismatch
from storage.objects.mark import Mark, MarkFile

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
HOUR_S = 3600.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_store_has_no_mark_until_one_is_written(tmp_path):
    file = MarkFile(tmp_path)
    assert file.read() is None
    mark = Mark.new(NOW)
    with file.locked():
        file.write(mark)
    assert MarkFile(tmp_path).read() == mark


def test_two_stores_never_have_the_same_identity():
    assert Mark.new(NOW).identity != Mark.new(NOW).identity


@pytest.mark.parametrize("content", [b"", b"[]", b'{"identity": "a"}', b"\xff\0"])
def test_a_file_that_is_no_mark_is_refused_with_the_way_out(tmp_path, content):
    (tmp_path / "store.json").write_bytes(content)
    with pytest.raises(StoreMismatch, match="cxr-node adopt"):
        MarkFile(tmp_path).read()


def test_the_believed_time_follows_the_clock():
    mark = Mark.new(NOW).after(NOW + HOUR, HOUR_S)
    assert mark.believed_at == NOW + HOUR


def test_a_clock_that_jumps_ahead_is_believed_no_faster_than_twice_the_running_time():
    mark = Mark.new(NOW).after(NOW + 400 * DAY, HOUR_S)
    assert mark.believed_at == NOW + 2 * HOUR


def test_a_clock_that_is_set_back_is_believed_at_once():
    mark = Mark.new(NOW).after(NOW - DAY, HOUR_S)
    assert mark.believed_at == NOW - DAY


def test_two_processes_do_not_count_the_same_hour_twice():
    mark = Mark.new(NOW).after(NOW + 400 * DAY, HOUR_S)
    again = mark.after(NOW + 400 * DAY, HOUR_S)
    assert again.believed_at == mark.believed_at
