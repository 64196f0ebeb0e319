from dataclasses import replace

import pytest

from dicom_node.analysis.past import Past, look_back
from dicom_node.evidence.past import Earlier, ObjectReference
from storage.records import Delivery, DeliveryState, Job, ModelName
from tests.factories.analyses import a_maker
from tests.factories.results import IMAGE, PRIOR, REPORT, a_row, the_analysis
from tests.factories.rows import a_workitem, after, an_evidence, an_instance

MAKER = a_maker()
MODEL = {"name": "scripted", "version": "1", "sha256": "0" * 64}
OTHERS = (
    {"name": "other"},
    {"version": "2"},
    {"sha256": "0" * 63 + "1"},
)
"""The last one differs where the words that people read are cut off."""


def a_job(number=1, model=None, maker=None, **changes):
    """An analysed film; its report is numbered like it."""
    name = MODEL | (model or {})
    row = a_row() | {"model": name} | changes
    return Job(
        workitem=a_workitem(number, result=row, model=ModelName(**name), maker=maker),
        instance=an_instance(number),
        evidence=(an_evidence(number, kind="measurement-report"),),
    )


def by_another_maker(number=1, **changes):
    """An analysed film, by other settings."""
    return a_job(number, **changes, maker="another")


def sent(job, state):
    """The job, its report on its way to a destination."""
    (report,) = job.evidence
    row = Delivery(
        delivery_id=1,
        workitem_uid=report.workitem_uid,
        sop_instance_uid=report.sop_instance_uid,
        destination="pacs",
        required=True,
        state=state,
    )
    return replace(job, deliveries=(row,))


def test_without_a_past_nothing_is_said_of_it():
    assert look_back([], [], MAKER) == Past()


def test_a_film_that_the_same_model_read_is_compared():
    past = look_back([], [a_job(1), a_job(2)], MAKER)
    assert past.uncompared is None
    prior = past.prior
    assert (prior.total, prior.right, prior.left) == (15.48, 19.36, 11.61)
    assert prior.image.sop_instance_uid == "1.2.3.1"
    assert prior.report.sop_instance_uid == "1.7.1"
    assert prior.acquired_at == after(1)
    assert prior.model == MAKER.model.words


@pytest.mark.parametrize("model", OTHERS)
def test_a_film_that_another_model_read_is_named_and_not_compared(model):
    past = look_back([], [a_job(1, model), a_job(2, model)], MAKER)
    assert past.prior is None
    assert past.uncompared.image.sop_instance_uid == "1.2.3.1"


def test_another_digest_is_another_model_though_it_reads_the_same():
    past = look_back([], [a_job(1, OTHERS[-1])], MAKER)
    assert past.uncompared.model == MAKER.model.words


@pytest.mark.parametrize("model", OTHERS)
def test_the_same_model_is_preferred_to_the_newest(model):
    past = look_back([], [a_job(1, model), a_job(2), a_job(3)], MAKER)
    assert past.prior.image.sop_instance_uid == "1.2.3.2"
    assert past.uncompared is None


def test_other_settings_of_the_same_model_stay_comparable():
    assert look_back([], [by_another_maker()], MAKER).prior is not None


def test_a_film_without_result_is_no_prior():
    job = a_job()
    job = replace(job, workitem=replace(job.workitem, result=None))
    assert look_back([], [job], MAKER) == Past()


def test_a_repetition_tells_the_prior_that_was_told():
    job = a_job(maker=MAKER.fingerprint)
    past = look_back([job], [a_job(2)], MAKER)
    assert past.repeated == job
    assert (past.prior, past.uncompared) == (PRIOR, None)


def test_a_repetition_compares_only_what_was_compared():
    told = a_row()["prior"] | {"change": None, "model": "another 7", "report": None}
    job = a_job(maker=MAKER.fingerprint, prior=told)
    past = look_back([job], [a_job(2)], MAKER)
    assert past.prior is None
    assert past.uncompared == replace(PRIOR, model="another 7", report=None)


@pytest.mark.parametrize("row", [{"prior": None}, {}])
def test_a_repetition_without_prior_gets_none(row):
    job = a_job(maker=MAKER.fingerprint)
    result = a_row()
    del result["prior"]
    job = replace(job, workitem=replace(job.workitem, result=result | row))
    past = look_back([job], [a_job(2)], MAKER)
    assert (past.prior, past.uncompared) == (None, None)


def test_the_oldest_by_the_same_maker_is_repeated():
    newer, older = (a_job(n, maker=MAKER.fingerprint) for n in (2, 1))
    assert look_back([newer, older], [], MAKER).repeated == older


def test_a_new_maker_replaces_the_report_before():
    past = look_back([by_another_maker(2), by_another_maker(1)], [], MAKER)
    assert past.repeated is None
    assert past.predecessor.sop_instance_uid == "1.7.2"


def test_a_repetition_names_the_predecessor_of_then():
    later, repeated, before = (
        by_another_maker(3),
        a_job(2, maker=MAKER.fingerprint),
        by_another_maker(1),
    )
    past = look_back([later, repeated, before], [], MAKER)
    assert past.predecessor.sop_instance_uid == "1.7.1"


@pytest.mark.parametrize(
    ("state", "named"),
    [
        (DeliveryState.SENT, True),
        (DeliveryState.COMMITTED, True),
        (DeliveryState.PENDING, True),
        (DeliveryState.FAILED, False),
        (DeliveryState.CANCELED, False),
    ],
)
def test_only_a_report_that_somebody_has_or_will_have_is_named(state, named):
    past = look_back([sent(by_another_maker(), state)], [], MAKER)
    assert (past.predecessor is not None) is named


def test_the_change_is_told_in_percentage_points():
    change = Past(prior=PRIOR).earlier_film(the_analysis()).change
    assert (change.total, change.right, change.left) == (3.14, 16.15, -8.39)


def test_to_another_models_film_no_change_is_told():
    told = Past(uncompared=PRIOR).earlier_film(the_analysis())
    assert told.change is None
    assert (told.image, told.report) == (IMAGE, REPORT)


def test_results_name_what_there_was_before():
    replaced = ObjectReference("1", "2", "3", "4")
    past = Past(uncompared=PRIOR, predecessor=replaced)
    assert past.earlier == Earlier(None, PRIOR, replaced)
