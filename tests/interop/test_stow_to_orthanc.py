"""Results go to Orthanc's DICOMweb plug-in, which knows nothing of this node."""

import ssl
from dataclasses import replace

import pytest

from dicom_node.delivery.destination import Parcel
from dicom_node.delivery.stow import StowDestination, WebServer
from tests.factories.nodes import (
    EVIDENCE,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset

pytestmark = pytest.mark.interop


def to(peer):
    return StowDestination(WebServer(peer.dicomweb_url, ssl.create_default_context()))


def test_results_of_a_film_arrive_by_stow(tmp_path, orthanc_dicomweb):
    archive = {
        "name": "archive",
        "kind": "stow",
        "url": orthanc_dicomweb.dicomweb_url,
        "evidence": EVIDENCE,
    }
    film = synthetic_dataset("CR", 0, rows=512, columns=448)
    with scripted_node(settings(tmp_path / "node", [archive])) as node:
        send(node, save(film, tmp_path))
        wait_for_state(node, film.SOPInstanceUID, "delivered")
    assert len(orthanc_dicomweb.instances()) == len(EVIDENCE)
    (study,) = orthanc_dicomweb.get("/studies?expand")
    assert study["MainDicomTags"]["StudyInstanceUID"] == film.StudyInstanceUID


def test_orthanc_is_asked_before_an_uncertain_repeat(tmp_path, orthanc_dicomweb):
    image = synthetic_dataset("SC", 1, rows=64, columns=64)
    uid = str(image.SOPInstanceUID)
    parcel = Parcel(
        str(image.SOPClassUID), uid, save(image, tmp_path), str(image.StudyInstanceUID)
    )
    destination = to(orthanc_dicomweb)
    destination.probe()
    (first,) = destination.deliver([parcel])
    assert first.accepted
    # Bytes that Orthanc would refuse: what it has is not sent again.
    parcel.path.write_bytes(b"not a DICOM file")
    (again,) = destination.deliver([replace(parcel, uncertain=True)])
    assert again.accepted


def test_what_orthanc_cannot_read_does_not_keep_the_others(tmp_path, orthanc_dicomweb):
    parcels = []
    for seed in range(2):
        image = synthetic_dataset("SC", seed, rows=64, columns=64)
        path = save(image, tmp_path)
        parcels.append(Parcel(str(image.SOPClassUID), str(image.SOPInstanceUID), path))
    parcels[0].path.write_bytes(b"not a DICOM file")
    answers = {
        one.sop_instance_uid: one for one in to(orthanc_dicomweb).deliver(parcels)
    }
    accepted = [answers[one.sop_instance_uid].accepted for one in parcels]
    assert accepted == [False, True]
