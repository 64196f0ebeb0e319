"""What every Destination keeps to, and its fake too."""

import ssl
from contextlib import contextmanager

import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from dicom_node.delivery.destination import Parcel
from dicom_node.delivery.dimse import DimseDestination
from dicom_node.delivery.stow import StowDestination, WebServer
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import (
    ClassNotAccepted,
    PeerBusy,
    PeerRefused,
    PeerStumbled,
    PeerUnreachable,
)
from tests.factories.choices import timeouts
from tests.factories.nodes import save
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.destination import RecordingDestination
from tests.peers.pacs import PACS
from tests.peers.web_pacs import WebPACS

REFUSALS = {
    0xA700: PeerBusy,
    0xA900: PeerRefused,
    0x0110: PeerStumbled,
    0xC123: PeerStumbled,
    0x0122: ClassNotAccepted,
}
REMARKS = (0xB000, 0xB007)


class Dimse:
    """DimseDestination against a PACS on loopback."""

    @contextmanager
    def up(self, status=lambda _uid: 0x0000, classes=(SecondaryCaptureImageStorage,)):
        pacs = PACS(classes, status)
        with pacs.listening() as port:
            yield self._to(port), lambda: set(pacs.held)

    @contextmanager
    def down(self):
        with PACS().listening() as port:
            pass
        yield self._to(port)

    def _to(self, port):
        return DimseDestination(
            RemoteAE("PACS", "127.0.0.1", port), "CXR_NODE", timeouts(connection_s=5)
        )


class Stow:
    """StowDestination against a web server on loopback."""

    @contextmanager
    def up(self, status=lambda _uid: 0x0000, classes=(SecondaryCaptureImageStorage,)):
        pacs = WebPACS(classes, status)
        with pacs.listening() as url:
            yield self._to(url), lambda: set(pacs.held)

    @contextmanager
    def down(self):
        with WebPACS().listening() as url:
            pass
        yield self._to(url)

    def _to(self, url):
        return StowDestination(WebServer(url, ssl.create_default_context()))


class Recording:
    """The fake."""

    @contextmanager
    def up(self, status=lambda _uid: 0x0000, classes=(SecondaryCaptureImageStorage,)):
        def script(item):
            if item.sop_class_uid not in classes:
                return ClassNotAccepted(0x0122)
            code = status(item.sop_instance_uid)
            if code not in REFUSALS:
                return code
            kind = REFUSALS[code]
            return kind("busy") if kind is PeerBusy else kind(code)

        fake = RecordingDestination(script)
        yield fake, lambda: {uid for uid, _ in fake.received}

    @contextmanager
    def down(self):
        fake = RecordingDestination()
        fake.up = False
        yield fake


@pytest.fixture(params=[Dimse, Stow, Recording])
def place(request):
    return request.param()


@pytest.fixture
def objects(tmp_path):
    made = []
    for seed in range(3):
        dataset = synthetic_dataset("SC", seed, rows=64, columns=64)
        path = save(dataset, tmp_path)
        made.append(Parcel(dataset.SOPClassUID, dataset.SOPInstanceUID, path))
    return made


def uids(objects):
    return {item.sop_instance_uid for item in objects}


def test_every_object_is_answered_for_and_held(place, objects):
    with place.up() as (destination, held):
        handovers = list(destination.deliver(objects))
        assert held() == uids(objects)
    assert {one.sop_instance_uid for one in handovers} == uids(objects)
    assert all(one.accepted and one.code == 0x0000 for one in handovers)
    assert {one.detail for one in handovers} == {""}


@pytest.mark.parametrize("code", REMARKS)
def test_an_object_that_is_taken_with_a_remark_is_held_and_the_remark_told(
    place, objects, code
):
    with place.up(lambda _uid: code) as (destination, held):
        handovers = list(destination.deliver(objects))
        assert held() == uids(objects)
    assert all(one.accepted and one.code == code for one in handovers)
    assert all(one.detail for one in handovers)


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_object_does_not_stop_the_others(place, objects, status):
    refused = objects[1].sop_instance_uid
    script = lambda uid: status if uid == refused else 0x0000  # noqa: E731  a line
    with place.up(script) as (destination, held):
        handovers = {one.sop_instance_uid: one for one in destination.deliver(objects)}
        assert held() == uids(objects) - {refused}
    assert type(handovers[refused].error) is REFUSALS[status]
    assert [one.accepted for one in handovers.values()].count(True) == 2


def test_a_class_that_is_not_accepted_is_told_from_other_refusals(place, objects):
    with place.up(classes=(ComprehensiveSRStorage,)) as (destination, held):
        handovers = list(destination.deliver(objects))
        assert held() == set()
    assert {type(one.error) for one in handovers} == {ClassNotAccepted}


def test_a_receiver_that_is_down_is_every_objects_error_and_no_exception(
    place, objects
):
    with place.down() as destination:
        handovers = list(destination.deliver(objects))
    assert {one.sop_instance_uid for one in handovers} == uids(objects)
    assert {type(one.error) for one in handovers} == {PeerUnreachable}


def test_nothing_to_deliver_is_no_error(place):
    with place.up() as (destination, _):
        assert list(destination.deliver([])) == []


def test_a_probe_tells_whether_the_receiver_is_there(place):
    with place.up() as (destination, _):
        destination.probe()
    with place.down() as destination, pytest.raises(PeerUnreachable):
        destination.probe()
