"""Columns that stand between the databases' differences."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from storage.schema import UtcDateTime

DIALECTS = [sqlite.dialect(), postgresql.dialect()]
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_an_instant_comes_back_in_utc(dialect):
    column = UtcDateTime()
    there = datetime(2026, 3, 14, 23, 59, tzinfo=TOKYO)
    stored = column.process_bind_param(there, dialect)
    back = column.process_result_value(stored, dialect)
    assert back == there
    assert back is not None
    assert back.tzinfo is UTC


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_an_instant_without_time_zone_is_refused(dialect):
    naive = datetime(2026, 3, 14)  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(naive, dialect)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_instant_stays_none(dialect):
    assert UtcDateTime().process_bind_param(None, dialect) is None
    assert UtcDateTime().process_result_value(None, dialect) is None
