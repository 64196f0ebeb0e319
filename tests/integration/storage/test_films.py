"""How people find a film, and what the films of a day came to."""

from datetime import timedelta

import pytest

from storage.catalog import statistics
from storage.catalog.films import FilmOrder, FilmSearch, film_of, search_films
from storage.catalog.instances import add_instance
from storage.outbox.backlog import backlog
from storage.outbox.deliveries import due, failed
from storage.records import (
    Cause,
    InstanceState,
    ModelName,
    NewDelivery,
    Reason,
)
from tests.factories import rows
from tests.factories.rows import NOW, after

LATERAL = Reason("VIEW_LATERAL", "The view is lateral.", Cause.IMAGE)


def found(database, limit=10, **wanted):
    with database.transaction(read_only=True) as tx:
        films = search_films(tx, FilmSearch(**wanted), limit=limit)
    return [film.instance.sop_instance_uid for film in films]


def analysed(database, severity, **changes):
    (claimed,) = rows.claim(database)
    result = {"severity": {"total": severity}, "opacity_score": severity / 100}
    model = ModelName("opacity", "1", "0" * 64)
    rows.settle(database, claimed, result=result, model=model, **changes)


@pytest.fixture
def three(database):
    """Two jobs, the first analysed, and a lateral film that is none."""
    rows.receive(database, 1, 2)
    with database.transaction() as tx:
        add_instance(tx, rows.an_instance(3, not_eligible=LATERAL, calling_ae="ROOM2"))
    analysed(database, 40.0)
    return database


def test_without_a_search_every_film_is_listed_the_newest_first(three):
    assert found(three) == ["1.2.3.3", "1.2.3.2", "1.2.3.1"]
    assert found(three, order=FilmOrder.OLDEST)[0] == "1.2.3.1"
    assert found(three, limit=1) == ["1.2.3.3"]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"patient_id": "P2"}, [2]),
        ({"accession_number": "A1"}, [1]),
        ({"uid": "1.9.2"}, [2]),
        ({"uid": "1.2.3.1"}, [1]),
        ({"uid": "1.2.3.0"}, [3, 2, 1]),
        ({"uid": "1.2.3"}, [3, 2, 1]),
        ({"calling_ae": "ROOM2"}, [3]),
        ({"state": InstanceState.NOT_ELIGIBLE}, [3]),
        ({"state": InstanceState.QUEUED}, [2]),
        ({"state": InstanceState.FAILED}, []),
        ({"reason": "VIEW_LATERAL"}, [3]),
        ({"since": after(2)}, [3, 2]),
        ({"until": after(2)}, [1]),
        ({"least": 40.0}, [1]),
        ({"least": 40.1}, []),
        ({"most": 40.0}, [1]),
        ({"order": FilmOrder.SEVEREST}, [1]),
        ({"patient_id": "P2' OR '1'='1"}, []),
    ],
)
def test_a_search_finds_what_meets_it_and_nothing_else(three, wanted, numbers):
    assert found(three, **wanted) == [f"1.2.3.{number}" for number in numbers]


def test_names_are_neither_read_nor_searched_unless_that_is_asked_for(three):
    with three.transaction(read_only=True) as tx:
        (film, *_) = search_films(tx, FilmSearch(name="nobody"), limit=1)
        named = search_films(tx, FilmSearch(name="nobody"), limit=1, with_names=True)
    assert film.patient_name == ""
    assert named == []


def test_one_film_tells_its_state_and_its_reason(three):
    with three.transaction(read_only=True) as tx:
        lateral, absent = film_of(tx, "1.2.3.3"), film_of(tx, "9.9")
    assert (lateral.state, lateral.reason) == (InstanceState.NOT_ELIGIBLE, LATERAL)
    assert lateral.workitem_uid is None
    assert absent is None


def test_the_films_since_a_moment_are_told_with_how_they_stand(three):
    with three.transaction(read_only=True) as tx:
        day = statistics.passages(tx, NOW)
        queue = statistics.queue(tx)
        later = statistics.passages(tx, after(3))
        size = statistics.bytes_since(tx, NOW)
    assert [one.state for one in day] == ["not eligible", "queued", "delivered"]
    assert day[0].reason == "VIEW_LATERAL"
    assert (queue.waiting, queue.analyzing, queue.delivering) == (1, 0, 0)
    assert queue.waits_since == after(2)
    assert len(later) == 1
    assert size == 1001 + 1002 + 1003


def test_refusals_are_grouped_by_reason_and_sender_the_most_first(three):
    with three.transaction() as tx:
        for number in (4, 5):
            add_instance(
                tx, rows.an_instance(number, not_eligible=LATERAL, calling_ae="ROOM9")
            )
    with three.transaction(read_only=True) as tx:
        groups = statistics.refusals(tx, NOW)
    assert [(one.code, one.calling_ae, one.number) for one in groups] == [
        ("VIEW_LATERAL", "ROOM9", 2),
        ("VIEW_LATERAL", "ROOM2", 1),
    ]
    assert groups[0].newest_at == after(5)


def test_each_sender_is_told_with_its_films_by_day(three):
    with three.transaction() as tx:
        add_instance(tx, rows.an_instance(6, received_at=NOW + timedelta(days=1)))
    with three.transaction(read_only=True) as tx:
        first, second = statistics.senders(tx, NOW)
    assert (first.calling_ae, first.number, first.refused) == ("MODALITY1", 3, 0)
    assert first.days == {"2026-03-14": 2, "2026-03-15": 1}
    assert (second.calling_ae, second.refused) == ("ROOM2", 1)


def test_what_a_model_said_is_told_film_by_film(three):
    with three.transaction(read_only=True) as tx:
        (one,) = statistics.scores(tx, NOW, 10)
    assert (one.model, one.score, one.severity) == ("opacity 1", 0.4, 40.0)


def test_a_destination_is_judged_by_what_waits_and_what_was_given_up(database):
    rows.receive(database, 1)
    evidence = (rows.an_evidence(1), rows.an_evidence(2, workitem_uid="1.9.1"))
    sent = tuple(NewDelivery("pacs", one.sop_instance_uid) for one in evidence)
    (claimed,) = rows.claim(database)
    rows.settle(database, claimed, evidence, sent)
    with database.transaction(read_only=True) as tx:
        before, other = backlog(tx, "pacs"), backlog(tx, "archive")
    assert (before.pending, before.failed, before.waits_since) == (2, 0, after(1010))
    assert (other.pending, other.last_error) == (0, None)
    with database.transaction() as tx:
        first, _ = due(tx, destination="pacs", limit=2, lease_s=60.0, now=after(1020))
        failed(
            tx,
            first.delivery.delivery_id,
            error="The peer refused it.",
            now=after(1021),
        )
    with database.transaction(read_only=True) as tx:
        now = backlog(tx, "pacs")
    assert (now.pending, now.failed) == (1, 1)
    assert now.last_error == "The peer refused it."
