"""Peers are told that results are there, once, and until they have heard it."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity

from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.worklist.availability import Availability, NotifiedPeer
from dicom_node.worklist.retry import BackOff
from storage.outbox import deliveries
from storage.records import NewDelivery
from storage.schema import availability_notice, event_reader
from tests.factories.choices import timeouts
from tests.factories.rows import (
    SEG,
    after,
    an_evidence,
    claim,
    new_uid,
    receive,
    settle,
)

CLASS = "1.2.840.10008.5.1.4.33"


class Worklist:
    """A peer that hears of results."""

    def __init__(self, status=0x0000):
        self.status, self.told = status, []

    @contextmanager
    def listening(self):
        _config.LOG_HANDLER_LEVEL = "none"
        entity = ApplicationEntity("WORKLIST")
        entity.add_supported_context(CLASS)
        server = entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[(evt.EVT_N_CREATE, self._create)],
        )
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()

    def _create(self, event):
        if self.status == 0x0000:
            uid = str(event.request.AffectedSOPInstanceUID)
            self.told.append((uid, event.attribute_list))
        return self.status, event.attribute_list


class House:
    def __init__(self, database, port):
        self.database, self.now = database, after(2000)
        self.availability = self.make(port)
        self.availability.tell()

    def make(self, port):
        remote = RemoteAE("WORKLIST", "127.0.0.1", port)
        return Availability(
            self.database,
            {"WORKLIST": NotifiedPeer(remote, "pacs", "PACS")},
            calling_ae="CXR_NODE",
            timeouts=timeouts(),
            back_off=BackOff(30, 1800, lambda: 0.5),
            give_up_after_s=7 * 86_400.0,
            clock=lambda: self.now,
            new_uid=new_uid,
        )

    def complete(self, number=1):
        """Let a job end whose results are at the archive."""
        receive(self.database, number)
        (claimed,) = claim(self.database)
        made = an_evidence(number, workitem_uid=claimed.workitem_uid)
        settle(
            self.database,
            claimed,
            (made, replace(made, sop_instance_uid="1.8.1", kind="spare")),
            (NewDelivery("pacs", made.sop_instance_uid, required=False),),
            now=self.now,
        )
        return made

    def send(self):
        with self.database.transaction() as tx:
            due = deliveries.due(
                tx, destination="pacs", limit=9, now=self.now, lease_s=60
            )
            for item in due:
                deliveries.sent(tx, item.delivery.delivery_id, status=0, now=self.now)

    def states(self):
        with self.database.transaction(read_only=True) as tx:
            return [row.state for row in tx.execute(availability_notice.select())]


@pytest.fixture
def peer():
    return Worklist()


@pytest.fixture
def house(database, peer):
    with peer.listening() as port:
        yield House(database, port)


def test_a_peer_is_told_once_what_can_be_retrieved_and_where(house, peer):
    made = house.complete()
    house.send()
    for _ in range(3):
        house.availability.tell()
    ((_, said),) = peer.told
    assert said.StudyInstanceUID == "1.2.3"
    (series,) = said.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == made.series_instance_uid
    (item,) = series.ReferencedSOPSequence
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (
        SEG,
        made.sop_instance_uid,
    )
    assert (item.InstanceAvailability, item.RetrieveAETitle) == ("ONLINE", "PACS")
    assert house.states() == ["SENT"]


def test_what_was_done_before_is_not_told(database, peer):
    with peer.listening() as port:
        house = House(database, port)
        house.complete()
        with database.transaction() as tx:
            tx.execute(event_reader.delete())
        house.make(port).tell()
        house.make(port).tell()
    assert house.states() == []


def test_a_peer_that_is_busy_is_told_later_under_the_same_uid(house, peer):
    house.complete()
    house.send()
    peer.status = 0x0213
    house.availability.tell()
    assert house.states() == ["PENDING"]
    peer.status = 0x0000
    house.availability.tell()
    assert peer.told == []
    house.now += timedelta(seconds=31)
    house.availability.tell()
    assert len(peer.told) == 1


@pytest.mark.parametrize("days", [0, 8])
def test_a_peer_that_refuses_or_is_never_there_is_given_up(house, peer, days):
    house.complete()
    house.send()
    peer.status = 0x0213 if days else 0x0124
    house.availability.tell()
    house.now += timedelta(days=days)
    house.availability.tell()
    assert house.states() == ["GIVEN UP"]


def test_results_that_the_archive_has_not_yet_are_not_told(house, peer):
    house.complete()
    house.availability.tell()
    assert peer.told == []
    assert house.states() == ["PENDING"]
    house.send()
    house.now += timedelta(seconds=31)
    house.availability.tell()
    assert len(peer.told) == 1
