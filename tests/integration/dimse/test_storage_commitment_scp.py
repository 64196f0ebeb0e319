"""Modalities ask this node to commit itself, and always get a report."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.storage_commitment import StorageCommitmentService
from storage.outbox import commitment_requests as rows
from tests.factories.choices import dimse_config
from tests.factories.nodes import wait_until
from tests.peers.keeper import CLASS, INSTANCE, Keeper, request_of
from tests.peers.receiving import (
    MAXIMUM_OBJECT_BYTES,
    MODALITY,
    NODE,
    arriving_of,
    commitment_requests,
    radiograph,
    receiver,
    written,
)

UNKNOWN = "1.2.3.4.5"


@pytest.fixture
def behind(tmp_path):
    with receiver(tmp_path) as door:
        yield door


@pytest.fixture
def modality():
    modality = Keeper(MODALITY)
    with modality.listening():
        yield modality


class Clock:
    def __init__(self):
        self.now = datetime(2026, 3, 14, tzinfo=UTC)

    def __call__(self):
        return self.now


class Node:
    """A node that listens, and reports when told."""

    def __init__(self, behind, modality_port):
        self.clock = Clock()
        self.behind = behind
        self.requests = commitment_requests(behind, modality_port, self.clock)
        self.port = 0

    @contextmanager
    def listening(self):
        services = [
            StorageSCP(self.behind.reception, MAXIMUM_OBJECT_BYTES),
            StorageCommitmentService(self.requests, None),
        ]
        entity = ApplicationEntity(
            dimse_config(NODE, accept_unknown_peers=True), services
        )
        self.port = entity.start()
        try:
            yield self
        finally:
            entity.stop(drain_s=0)

    def holds(self, number=1):
        image = radiograph(number)
        incoming = self.behind.reception.incoming()
        incoming.write(written(image))
        self.behind.reception.receive(incoming, arriving_of(image))
        return str(image.SOPClassUID), str(image.SOPInstanceUID)

    def waiting(self):
        with self.behind.database.transaction(read_only=True) as tx:
            return rows.waiting(tx)


@pytest.fixture
def node(behind, modality):
    with Node(behind, modality.port).listening() as node:
        yield node


def named(sequence):
    return [
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in sequence
    ]


def an_action():
    """Action Information without a transaction and without a reference."""
    dataset = Dataset()
    dataset.Manufacturer = "somebody"
    return dataset


def stays(modality, count=1):
    return lambda: len(modality.reports) >= count


def test_the_report_comes_on_the_association_of_the_request(node, modality):
    held = node.holds()
    asked = request_of("1.2.3", [held])
    assert modality.ask(node.port, asked, stay=stays(modality)) == 0x0000
    ((event_type, report, on_own),) = modality.reports
    assert (event_type, report.TransactionUID, on_own) == (1, "1.2.3", True)
    assert named(report.ReferencedSOPSequence) == [held]
    assert "FailedSOPSequence" not in report
    assert wait_until(lambda: node.waiting() == 0)
    node.requests.report_due()
    assert len(modality.reports) == 1


def test_what_is_not_held_is_told_with_its_reason(node, modality, behind):
    held, lost, other = node.holds(1), node.holds(2), node.holds(3)
    behind.store.delete(behind.instance(lost[1]).object_key)
    wrong_class = ("1.2.840.10008.5.1.4.1.1.2", other[1])
    unknown = (held[0], UNKNOWN)
    asked = request_of("1.2.3", [held, lost, wrong_class, unknown])
    modality.ask(node.port, asked, stay=stays(modality))
    ((event_type, report, _),) = modality.reports
    assert event_type == 2
    assert named(report.ReferencedSOPSequence) == [held]
    reasons = [item.FailureReason for item in report.FailedSOPSequence]
    failed = named(report.FailedSOPSequence)
    assert dict(zip(failed, reasons, strict=True)) == {
        lost: 0x0110,
        wrong_class: 0x0119,
        unknown: 0x0112,
    }


def test_who_does_not_stay_gets_the_report_on_a_new_association(node, modality):
    held = node.holds()
    modality.answer = 0x0110
    modality.ask(node.port, request_of("1.2.3", [held]))
    assert wait_until(lambda: node.waiting() == 1)

    def reported():
        node.requests.report_due()
        return not node.waiting()

    modality.answer = 0x0000
    node.clock.now += timedelta(seconds=61)
    assert wait_until(reported)
    event_type, report, on_own = modality.reports[-1]
    assert (event_type, report.TransactionUID, on_own) == (1, "1.2.3", False)


def test_a_report_is_tried_for_days_and_over_restarts(node, modality, behind):
    held = node.holds()
    modality.answer = 0x0110
    modality.ask(node.port, request_of("1.2.3", [held]))
    for _ in range(5):
        node.clock.now += timedelta(days=1)
        again = commitment_requests(behind, modality.port, node.clock)
        again.report_due()
        assert node.waiting() == 1
    modality.answer = 0x0000
    node.clock.now += timedelta(days=1)
    commitment_requests(behind, modality.port, node.clock).report_due()
    assert node.waiting() == 0


def test_after_a_week_a_report_is_given_up(node, modality):
    modality.answer = 0x0110
    modality.ask(node.port, request_of("1.2.3", [node.holds()]))
    node.clock.now += timedelta(days=8)
    node.requests.report_due()
    assert node.waiting() == 0


def test_the_same_request_again_is_reported_again(node, modality):
    held = node.holds()
    for count in (1, 2):
        asked = request_of("1.2.3", [held])
        assert modality.ask(node.port, asked, stay=stays(modality, count)) == 0x0000
    assert [report.TransactionUID for _, report, _ in modality.reports] == ["1.2.3"] * 2


def test_a_transaction_uid_that_was_used_for_something_else_is_refused(node, modality):
    one, two = node.holds(1), node.holds(2)
    modality.ask(node.port, request_of("1.2.3", [one]), stay=stays(modality))
    assert modality.ask(node.port, request_of("1.2.3", [two])) == 0x0110


@pytest.mark.parametrize(
    "asked",
    [
        an_action(),
        request_of("1.2.3", []),
        request_of("", [("1.2", "1.3")]),
        request_of("1.2.3", [("1.2", "")]),
    ],
)
def test_a_request_that_asks_nothing_is_refused(node, modality, asked):
    assert modality.ask(node.port, asked) == 0x0115
    assert node.waiting() == 0


@pytest.mark.parametrize(("action", "instance"), [(2, INSTANCE), (1, "1.2.3")])
def test_another_action_or_instance_is_refused(node, action, instance):
    entity = Caller(MODALITY)
    entity.add_requested_context(CLASS)
    association = entity.associate("127.0.0.1", node.port, ae_title=NODE)
    status, _ = association.send_n_action(
        request_of("1.2.3", [("1.2", "1.3")]), action, CLASS, instance
    )
    association.release()
    assert status.Status == (0x0123 if action == 2 else 0x0112)
