"""Results are committed by archives that behave, and by one that does not."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.services.storage_commitment import StorageCommitmentService
from dicom_node.worklist.commitment import CommitmentPatience, Commitments, Keeper
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.retry import BackOff
from storage.catalog import retention
from storage.outbox import commitments, deliveries
from storage.records import InstanceState, NewDelivery
from storage.worklist import jobs, workitems
from tests.factories.choices import dimse_config, timeouts
from tests.factories.rows import (
    SEG,
    after,
    an_evidence,
    claim,
    new_uid,
    receive,
    settle,
)
from tests.peers import keeper as peers
from tests.peers.keeper import report_of

DAY_S = 86_400.0
TRIES = 3
ONE, TWO = (SEG, "1.7.1"), (SEG, "1.7.2")


class House:
    """A job whose two results an archive has, and which is to commit itself."""

    def __init__(self, database, archive, stack):
        self.database, self.archive = database, archive
        self.now = after(2000)
        self.uids = []
        receive(database, 1)
        (claimed,) = claim(database)
        made = [
            an_evidence(number, workitem_uid=claimed.workitem_uid) for number in (1, 2)
        ]
        wanted = [
            NewDelivery("pacs", one.sop_instance_uid, commitment=True) for one in made
        ]
        settle(database, claimed, tuple(made), tuple(wanted), now=self.now)
        self.deliver()
        self.start(stack)

    def start(self, stack):
        """Listen and ask, as after a restart too."""
        back_off = BackOff(30, 1800, lambda: 0.5)
        patience = CommitmentPatience(back_off, DAY_S, TRIES, listen_s=0.0)
        self.commitments = Commitments(
            self.database, {"pacs": "PACS"}, patience, lambda: self.now, self.new_uid
        )
        service = StorageCommitmentService(None, self.commitments)
        entity = ApplicationEntity(
            dimse_config("CXR_NODE", accept_unknown_peers=True), [service]
        )
        self.port = entity.start()
        stack.callback(entity.stop, drain_s=0)

    def new_uid(self):
        self.uids.append(new_uid())
        return self.uids[-1]

    def deliver(self):
        """Send what is due; the archive takes it."""
        with self.database.transaction() as tx:
            due = deliveries.due(
                tx, destination="pacs", limit=9, now=self.now, lease_s=60
            )
            for item in due:
                deliveries.sent(tx, item.delivery.delivery_id, status=0, now=self.now)
                commitments.want(tx, item.delivery.delivery_id, self.now)
            for uid in {item.delivery.workitem_uid for item in due}:
                workitems.complete_if_delivered(tx, uid, self.now)
        return [item.evidence.sop_instance_uid for item in due]

    def ask(self):
        """Ask the archive, and give the Transaction UID."""
        keeper = Keeper(
            "pacs",
            RemoteAE("PACS", "127.0.0.1", self.archive.port),
            "CXR_NODE",
            timeouts(),
        )
        return self.uids[-1] if self.commitments.ask(keeper) else None

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.commitments.expire()

    @property
    def job(self):
        with self.database.transaction(read_only=True) as tx:
            return jobs.get_job(tx, "1.9.1")

    @property
    def states(self):
        return [row.state.value for row in self.job.deliveries]

    @property
    def state(self):
        return self.job.visible_state


@pytest.fixture
def archive():
    archive = peers.Keeper()
    with archive.listening():
        yield archive


@pytest.fixture
def house(database, archive):
    with ExitStack() as stack:
        house = House(database, archive, stack)
        house.stack = stack
        yield house


def test_what_an_archive_commits_itself_to_keep_is_committed(house, archive):
    assert house.state is InstanceState.DELIVERED
    uid = house.ask()
    (asked,) = archive.asked
    assert asked.TransactionUID == uid
    named = {
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
        for item in asked.ReferencedSOPSequence
    }
    assert named == {ONE, TWO}
    assert archive.report(house.port, report_of(uid, [ONE, TWO])) == 0x0000
    assert house.states == ["COMMITTED", "COMMITTED"]
    assert house.state is InstanceState.COMMITTED
    assert house.ask() is None


def test_a_report_on_the_association_of_the_request_is_taken(house, archive):
    archive.at_once = lambda asked: report_of(asked.TransactionUID, [ONE, TWO])
    house.commitments._patience = CommitmentPatience(
        BackOff(30, 1800), DAY_S, TRIES, listen_s=60.0
    )
    house.ask()
    assert house.state is InstanceState.COMMITTED


def test_a_report_without_a_role_is_answered_too(house, archive):
    uid = house.ask()
    assert archive.report(house.port, report_of(uid, [ONE, TWO]), role=False) == 0x0000
    assert house.state is InstanceState.COMMITTED


def test_what_failed_is_sent_again_and_asked_for_under_another_uid(house, archive):
    first = house.ask()
    said = report_of(first, [ONE], {TWO: 0x0112})
    assert archive.report(house.port, said, 2) == 0x0000
    assert house.states == ["COMMITTED", "PENDING"]
    assert "no such object instance (0x0112)" in house.job.deliveries[1].last_error
    assert house.deliver() == [TWO[1]]
    second = house.ask()
    assert second != first
    assert archive.report(house.port, report_of(second, [TWO])) == 0x0000
    assert house.state is InstanceState.COMMITTED


def test_what_fails_again_and_again_has_failed_visibly(house, archive):
    for _ in range(TRIES):
        uid = house.ask()
        archive.report(house.port, report_of(uid, [ONE], {TWO: 0x0110}), 2)
        house.deliver()
    assert house.states == ["COMMITTED", "COMMITMENT FAILED"]
    assert house.state is InstanceState.COMMITMENT_FAILED
    assert house.ask() is None


def test_an_administrator_has_it_sent_and_asked_for_again(house, archive):
    test_what_fails_again_and_again_has_failed_visibly(house, archive)
    steps = ProcedureSteps(house.database, clock=lambda: house.now, new_uid=new_uid)
    assert steps.retry("1.9.1") == "1.9.1"
    assert house.deliver() == [TWO[1]]
    uid = house.ask()
    archive.report(house.port, report_of(uid, [TWO]))
    assert house.state is InstanceState.COMMITTED


def test_a_report_that_never_comes_is_asked_for_anew_and_then_given_up(house, archive):
    asked = []
    for _ in range(TRIES):
        asked.append(house.ask())
        house.pass_time(DAY_S - 1)
        assert house.ask() is None
        house.pass_time(1)
        house.pass_time(31)
    assert len(set(asked)) == len(archive.asked) == TRIES
    assert house.states == ["COMMITMENT FAILED"] * 2
    assert house.job.deliveries[0].last_error == "no report came in time"
    assert house.ask() is None


def test_a_late_report_is_answered_and_changes_nothing(house, archive):
    first = house.ask()
    house.pass_time(DAY_S)
    house.pass_time(31)
    second = house.ask()
    assert archive.report(house.port, report_of(first, [], {ONE: 0x0112}), 2) == 0x0000
    assert house.states == ["SENT", "SENT"]
    archive.report(house.port, report_of(second, [ONE, TWO]))
    assert house.state is InstanceState.COMMITTED


def test_a_second_report_is_answered_and_changes_nothing(house, archive):
    uid = house.ask()
    archive.report(house.port, report_of(uid, [ONE, TWO]))
    said = report_of(uid, [], {ONE: 0x0112, TWO: 0x0112})
    assert archive.report(house.port, said, 2) == 0x0000
    assert house.state is InstanceState.COMMITTED


def test_a_report_of_an_unknown_transaction_is_answered(house, archive):
    uid = house.ask()
    assert archive.report(house.port, report_of("1.2.3.4", [ONE, TWO])) == 0x0000
    assert house.states == ["SENT", "SENT"]
    archive.report(house.port, report_of(uid, [ONE, TWO]))
    assert house.state is InstanceState.COMMITTED


def test_a_report_by_somebody_else_commits_nothing(house, archive):
    uid = house.ask()
    said = report_of(uid, [ONE, TWO])
    assert archive.report(house.port, said, calling="MODALITY") == 0x0000
    assert house.states == ["SENT", "SENT"]
    archive.report(house.port, said)
    assert house.state is InstanceState.COMMITTED


def test_objects_that_are_none_of_ours_commit_nothing(house, archive):
    uid = house.ask()
    archive.report(house.port, report_of(uid, [(SEG, "1.9.9.9"), ONE]))
    assert house.states == ["COMMITTED", "SENT"]
    house.pass_time(31)
    again = house.ask()
    archive.report(house.port, report_of(again, [TWO]))
    assert house.state is InstanceState.COMMITTED


@pytest.mark.parametrize(
    ("event_type", "said", "status"),
    [
        (7, report_of("1.2.3", [ONE]), 0x0113),
        (1, report_of("", [ONE]), 0x0115),
        (1, report_of("1.2.3", [("", "")]), 0x0115),
    ],
)
def test_a_report_that_cannot_be_read_is_answered(
    house, archive, event_type, said, status
):
    house.ask()
    assert archive.report(house.port, said, event_type) == status
    assert house.states == ["SENT", "SENT"]


def test_an_archive_that_knows_no_commitment_is_visible(house, archive):
    with peers.Keeper(offers=False).listening() as port:
        archive.port = port
        house.ask()
    assert house.state is InstanceState.COMMITMENT_FAILED
    assert "accepted no presentation context" in house.job.deliveries[0].last_error


@pytest.mark.parametrize("status", [0x0213, None])
def test_an_archive_that_cannot_be_asked_now_is_asked_later(house, archive, status):
    real = archive.port
    with peers.Keeper(status=status or 0).listening() as port:
        archive.port = port
        if status is not None:
            house.ask()
    if status is None:
        house.ask()
    assert house.states == ["SENT", "SENT"]
    assert house.ask() is None
    archive.port = real
    house.pass_time(31)
    uid = house.ask()
    archive.report(house.port, report_of(uid, [ONE, TWO]))
    assert house.state is InstanceState.COMMITTED


def test_deadlines_survive_a_restart(house):
    first = house.ask()
    house.start(house.stack)
    assert house.ask() is None
    house.pass_time(DAY_S)
    house.start(house.stack)
    house.pass_time(31)
    assert house.ask() not in (None, first)


def test_retention_waits_for_commitment(house, archive):
    def removable():
        with house.database.transaction(read_only=True) as tx:
            late = house.now + timedelta(days=400)
            sources = retention.expired_sources(tx, late)
            results = retention.expired_evidence(tx, late)
        return len(sources), len(results)

    uid = house.ask()
    assert removable() == (0, 0)
    archive.report(house.port, report_of(uid, [ONE], {TWO: 0x0112}), 2)
    house.deliver()
    assert removable() == (0, 1)
    archive.report(house.port, report_of(house.ask(), [TWO]))
    assert house.state is InstanceState.COMMITTED
    assert removable() == (1, 2)


def test_no_transaction_uid_is_used_twice(house, archive):
    first = house.ask()
    archive.report(house.port, report_of(first, [ONE], {TWO: 0x0112}), 2)
    house.deliver()
    house.commitments._new_uid = lambda: first
    with pytest.raises(IntegrityError):
        house.ask()
    assert len(archive.asked) == 1
    assert house.states == ["COMMITTED", "SENT"]
