"""What was said before, on both kinds of database."""

from datetime import timedelta

import pytest

from storage.catalog import instances
from storage.records import NewDelivery, Reason
from storage.worklist import history, repeats, workitems
from tests.factories.rows import (
    NOW,
    a_workitem,
    after,
    an_evidence,
    an_instance,
    claim,
    new_uid,
    settle,
)

DAY = timedelta(days=1)


def a_film(database, number, taken, **changes):
    """Receive a film of P1, each in a study of its own unless said otherwise."""
    values = {
        "patient_id": "P1",
        "study_instance_uid": f"1.2.{number}",
        "acquired_at": taken,
    }
    film = an_instance(number, **(values | changes))
    with database.transaction() as tx:
        instances.add_instance(tx, film)
        workitems.schedule(tx, a_workitem(number))
    return film


def analyse(database):
    (step,) = claim(database)
    settle(database, step)
    return step.workitem_uid


def priors(database, film):
    with database.transaction(read_only=True) as tx:
        return [job.instance.sop_instance_uid for job in history.prior_jobs(tx, film)]


def test_a_prior_is_the_last_film_taken_before_however_late_it_arrived(database):
    a_film(database, 1, NOW - 2 * DAY)
    analyse(database)
    today = a_film(database, 2, NOW)
    analyse(database)
    a_film(database, 3, NOW - DAY)
    analyse(database)
    assert priors(database, today) == ["1.2.3.3"]


def test_a_film_that_does_not_say_when_is_as_old_as_its_arrival(database):
    a_film(database, 1, None)
    analyse(database)
    assert priors(database, a_film(database, 2, after(2))) == ["1.2.3.1"]
    assert priors(database, a_film(database, 3, after(1))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"patient_id": "P2"},
        {"patient_id": ""},
        {"issuer_of_patient_id": "OTHER"},
        {
            "study_instance_uid": "1.2.1",
            "acquired_at": NOW - DAY + timedelta(hours=0.5),
        },
    ],
    ids=["another patient", "nobody", "another issuer", "a repeated exposure"],
)
def test_what_is_no_prior(database, changes):
    a_film(database, 1, NOW - DAY)
    analyse(database)
    assert priors(database, a_film(database, 2, NOW, **changes)) == []


def test_two_films_without_patient_id_are_not_of_one_patient(database):
    a_film(database, 1, NOW - DAY, patient_id="")
    analyse(database)
    assert priors(database, a_film(database, 2, NOW, patient_id="")) == []


def test_a_later_film_of_the_same_study_has_a_prior(database):
    a_film(database, 1, NOW - DAY)
    analyse(database)
    film = a_film(database, 2, NOW, study_instance_uid="1.2.1")
    assert priors(database, film) == ["1.2.3.1"]


def test_what_was_not_analysed_or_was_called_back_is_no_prior(database):
    a_film(database, 1, NOW - DAY)
    today = a_film(database, 2, NOW)
    assert priors(database, today) == []
    uid = analyse(database)
    assert priors(database, today) == ["1.2.3.1"]
    with database.transaction() as tx:
        workitems.recall(tx, uid, note_uid=None, reason="safety", now=NOW)
    assert priors(database, today) == []


def test_every_analysis_of_the_prior_film_is_told_the_newest_first(database):
    a_film(database, 1, NOW - DAY)
    first = analyse(database)
    with database.transaction() as tx:
        second = repeats.reprocess(tx, first, after(900), new_uid)
    analyse(database)
    today = a_film(database, 2, NOW)
    with database.transaction(read_only=True) as tx:
        found = [job.workitem.workitem_uid for job in history.prior_jobs(tx, today)]
    assert found == [second, first]


def test_earlier_jobs_are_those_of_the_same_image(database):
    a_film(database, 1, NOW - DAY)
    (step,) = claim(database)
    settle(database, step, (an_evidence(),), (NewDelivery("pacs", "1.7.1"),))
    with database.transaction() as tx:
        workitems.cancel(tx, step.workitem_uid, workitems.RECALLED, after(1))
        second = repeats.reprocess(tx, step.workitem_uid, after(900), new_uid)
        assert history.earlier_jobs(tx, step) == ()
        (earlier,) = history.earlier_jobs(tx, workitems.get(tx, second))
    assert earlier.workitem.workitem_uid == step.workitem_uid
    assert [one.kind for one in earlier.evidence] == ["segmentation"]


def test_other_films_of_the_study_are_counted_but_not_what_was_refused(database):
    first = a_film(database, 1, NOW, study_instance_uid="1.2.1")
    assert others(database, first) == 0
    second = a_film(database, 2, after(60), study_instance_uid="1.2.1")
    a_film(database, 3, NOW)
    with database.transaction() as tx:
        lateral = an_instance(
            4,
            study_instance_uid="1.2.1",
            not_eligible=Reason("NOT_FRONTAL_VIEW", "It is a lateral film."),
        )
        instances.add_instance(tx, lateral)
    assert (others(database, first), others(database, second)) == (1, 1)


def others(database, film):
    with database.transaction(read_only=True) as tx:
        return history.other_films(tx, film)
