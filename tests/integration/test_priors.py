"""Today's film waits a moment for the patient's earlier one, which a PACS has."""

import json
import logging
import socket

import pytest

from tests.factories import nodes
from tests.factories.radiographs import synthetic_dataset
from tests.integration.test_fetch import ARCHIVE, archive, film, node_settings
from tests.peers.pacs import PACS

__all__ = ["archive"]

OLD, NEW = "20260110", "20260210"


def dated(date):
    """The dates of a film."""
    return {"StudyDate": date, "AcquisitionDate": date, "ContentDate": date}


def today(folder, number=9, **overrides):
    made = synthetic_dataset("CR", number, rows=512, columns=448, **overrides)
    return made, nodes.save(made, folder)


def result_of(node, image):
    items = nodes.get(node, "/api/v1/jobs")["items"]
    (job,) = [one for one in items if one["sop_instance_uid"] == image.SOPInstanceUID]
    return job


def looking(folder, pacs, destinations=(), *, wait_s=3600):
    """A node that asks for earlier films."""
    priors = {"fetch": True, "from": ARCHIVE, "wait_s": wait_s}
    return node_settings(folder, pacs, destinations, priors=priors)


def test_a_follow_up_has_its_change_and_the_earlier_film_stays_here(archive, tmp_path):
    old = film(archive, tmp_path, 1, PatientID="P1", **dated(OLD))
    film(archive, tmp_path, 2, PatientID="P2", **dated(OLD))
    new, path = today(tmp_path, PatientID="P1", **dated(NEW))
    pacs = PACS()
    with pacs.listening() as port:
        settings = looking(tmp_path, archive, [nodes.destination("pacs", port)])
        with nodes.scripted_node(settings) as node:
            nodes.send(node, path)
            nodes.wait_for_state(node, new.SOPInstanceUID, "delivered")
            said, before = result_of(node, new), result_of(node, old)
    assert said["prior"]["change"] is not None
    assert old.SOPInstanceUID in json.dumps(said["prior"])
    assert said["deliveries"]
    assert not before["deliveries"]
    assert {one.StudyInstanceUID for one in pacs.datasets()} == {new.StudyInstanceUID}


@pytest.mark.parametrize(
    "earlier",
    [
        {"PatientID": "P2", **dated(OLD)},
        {"PatientID": "P1", **dated("20200110")},
        {"PatientID": "P1", **dated("20260301")},
    ],
)
def test_who_has_no_earlier_film_of_these_months_waits_no_longer(
    archive, tmp_path, caplog, earlier
):
    film(archive, tmp_path, 1, **earlier)
    new, path = today(tmp_path, PatientID="P1", **dated(NEW))
    with nodes.scripted_node(looking(tmp_path, archive)) as node:
        with caplog.at_level(logging.INFO, logger="dicom_node.retrieve"):
            nodes.send(node, path)
            nodes.wait_for_state(node, new.SOPInstanceUID, "delivered")
        said = result_of(node, new)
    assert said["prior"] is None
    assert f"An image goes without an earlier film: {ARCHIVE} has none." in (
        caplog.messages
    )


def test_a_silent_pacs_costs_no_more_than_was_said(archive, tmp_path, caplog):
    new, path = today(tmp_path, PatientID="P1", **dated(NEW))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = looking(tmp_path, archive, wait_s=0.5)
        port = silent.getsockname()[1]
        changed = [
            one.model_copy(update={"port": port}) if one.ae_title == ARCHIVE else one
            for one in settings.dimse.peers
        ]
        dimse = settings.dimse.model_copy(update={"peers": tuple(changed)})
        settings = settings.model_copy(update={"dimse": dimse})
        with nodes.scripted_node(settings) as node:
            nodes.send(node, path)
            nodes.wait_for_state(node, new.SOPInstanceUID, "delivered")
            assert nodes.wait_until(
                lambda: any("without an earlier film" in one for one in caplog.messages)
            )
