"""The whole node on loopback: C-STORE in, results at a PACS, everything real but the
network's answers."""

import socket
from contextlib import ExitStack, closing

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SegmentationStorage,
)

from dicom_node.analysis import worker
from dicom_node.delivery import deliverer as delivery
from dicom_node.errors import PeerUnreachable
from dicom_node.node.roles import Role
from storage.database import Database
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.runner import ScriptedRunner, chest_prediction, scripted_manifest
from tests.peers.pacs import PACS
from tests.peers.postgres import new_database


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


@pytest.fixture
def no_poll(monkeypatch):
    """Nothing is found by looking now and then: work starts on its news alone."""
    tomorrow_s = 24 * 3600.0
    for module in (worker, delivery):
        monkeypatch.setattr(module, "IDLE_S", tomorrow_s)
    return {"worker": {"poll_s": tomorrow_s}}


def film(tmp_path, seed=0, **overrides):
    # Small films keep the tests quick; the rules accept them from 384 pixels.
    dataset = synthetic_dataset("CR", seed, rows=512, columns=448, **overrides)
    return dataset, save(dataset, tmp_path)


def one_job(node, uid):
    items = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
    assert len(items) == 1
    return items[0]


def test_an_image_comes_in_and_its_results_arrive_at_the_pacs(tmp_path, pacs):
    dataset, path = film(tmp_path)
    with scripted_node(settings(tmp_path, [destination("pacs", pacs.port)])) as node:
        (stored,) = send(node, path)
        assert (stored.status, stored.error) == (0x0000, None)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        job = one_job(node, dataset.SOPInstanceUID)
    assert len(pacs.stores) == len(EVIDENCE)
    assert {result.Modality for result in pacs.datasets()} == {"SEG", "SR", "PR"}
    for result in pacs.datasets():
        assert result.StudyInstanceUID == dataset.StudyInstanceUID
        assert result.PatientID == dataset.PatientID
    assert {one["sop_instance_uid"] for one in job["evidence"]} == set(pacs.held)


def test_a_job_tells_everything_by_its_published_names(tmp_path, pacs):
    dataset, path = film(tmp_path)
    with scripted_node(settings(tmp_path, [destination("pacs", pacs.port)])) as node:
        send(node, path)
        seen = wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        job = get(node, f"/api/v1/jobs/{seen['workitem_uid']}")
    assert (job["state"], job["stage"], job["reason"]) == (
        "COMPLETED",
        "delivered",
        None,
    )
    assert job["patient_id"] == dataset.PatientID
    assert job["accession_number"] == dataset.AccessionNumber
    assert job["study_instance_uid"] == dataset.StudyInstanceUID
    assert job["series_instance_uid"] == dataset.SeriesInstanceUID
    assert job["sop_instance_uid"] == dataset.SOPInstanceUID
    assert {"total", "right", "left", "zones"} <= set(job["severity"])
    assert len(job["severity"]["zones"]) == 6
    (finding,) = job["findings"]
    assert {"label", "score", "zone", "box", "area_px", "area_mm2"} <= set(finding)
    assert len(finding["box"]) == 4
    (attempt,) = job["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "settled")
    for row in job["deliveries"]:
        assert row["destination"] == "pacs"
        assert row["state"] == "SENT"
        assert (row["last_error"], row["last_status"]) == (None, 0)
    assert job["model"] == {"name": "scripted", "version": "1", "sha256": "0" * 64}


def test_a_new_image_starts_on_its_arrival_and_not_at_the_next_poll(
    tmp_path, pacs, no_poll
):
    films = [film(tmp_path, seed) for seed in range(3)]
    with scripted_node(
        settings(tmp_path, [destination("pacs", pacs.port)], **no_poll)
    ) as node:
        for dataset, path in films:
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")


def test_a_worker_in_another_process_needs_no_poll_either(tmp_path, pacs, no_poll):
    """Each node has a database of its own on the same file, as processes have."""
    conf = settings(tmp_path, [destination("pacs", pacs.port)], **no_poll)
    with (
        scripted_node(conf, Role.RECEIVE) as receiver,
        scripted_node(conf, Role.WEB) as web,
        scripted_node(conf, Role.WORK),
    ):
        for seed in range(3):
            dataset, path = film(tmp_path, seed)
            send(receiver, path)
            wait_for_state(web, dataset.SOPInstanceUID, "delivered")


@pytest.mark.parametrize("role", [Role.ALL, None])
def test_the_node_works_on_postgresql(tmp_path, pacs, no_poll, postgres_url, role):
    """In one process, and with each part in a process of its own."""
    dataset, path = film(tmp_path)
    with new_database(postgres_url, f"flow_{role}") as url:
        with closing(Database(url)) as database:
            database.migrate()
        conf = settings(
            tmp_path,
            [destination("pacs", pacs.port)],
            database={"url": url},
            **no_poll,
        )
        with ExitStack() as stack:
            roles = [role] if role else [Role.RECEIVE, Role.WORK, Role.WEB]
            nodes = [stack.enter_context(scripted_node(conf, one)) for one in roles]
            receiver, web = nodes[0], nodes[-1]
            send(receiver, path)
            wait_for_state(web, dataset.SOPInstanceUID, "delivered")
    assert len(pacs.held) == len(EVIDENCE)


def test_an_image_that_is_not_eligible_is_stored_and_listed_with_its_reason(
    tmp_path, pacs
):
    dataset, path = film(tmp_path, ViewPosition="LL")
    with scripted_node(settings(tmp_path, [destination("pacs", pacs.port)])) as node:
        (stored,) = send(node, path)
        seen = wait_for_state(node, dataset.SOPInstanceUID, "not eligible")
        jobs = get(node, "/api/v1/jobs")["items"]
    assert stored.status == 0x0000
    assert seen["reason"]["code"] == "VIEW_LATERAL"
    assert (jobs, pacs.stores) == ([], [])


def test_a_film_that_is_not_frontal_ends_not_eligible_and_raises_no_alarm(
    tmp_path, pacs
):
    manifest = scripted_manifest()
    empty = chest_prediction(manifest, frontal=0.01)
    runner = ScriptedRunner(lambda _image: empty, manifest)
    dataset, path = film(tmp_path)
    with scripted_node(
        settings(tmp_path, [destination("pacs", pacs.port)]), runner=runner
    ) as node:
        send(node, path)
        seen = wait_for_state(node, dataset.SOPInstanceUID, "not eligible", "failed")
        job = one_job(node, dataset.SOPInstanceUID)
    assert seen["state"] == "not eligible"
    assert job["state"] == "CANCELED"
    assert job["reason"]["code"] == "NOT_FRONTAL"
    assert pacs.stores == []


def test_one_bad_image_does_not_fail_its_batch(tmp_path, pacs):
    runner = ScriptedRunner()
    good = [film(tmp_path, seed) for seed in range(3)]
    bad = synthetic_dataset("CR", 9, rows=512, columns=448)
    bad.PixelData = bad.PixelData[: len(bad.PixelData) // 3]
    bad_path = save(bad, tmp_path)
    batching = {"model": {"batch_size": 4, "batch_wait_ms": 10_000}}
    with scripted_node(
        settings(tmp_path, [destination("pacs", pacs.port)], **batching), runner=runner
    ) as node:
        send(node, good[0][1], bad_path, good[1][1], good[2][1])
        for dataset, _ in good:
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        seen = wait_for_state(node, bad.SOPInstanceUID, "failed")
        assert max(runner.batches) > 1
    assert seen["reason"]["code"] == "PIXELS_UNDECODABLE"
    assert len(pacs.held) == 3 * len(EVIDENCE)


def test_a_pacs_that_is_down_gets_its_results_when_it_is_back_without_inference(
    tmp_path, free_port
):
    runner = ScriptedRunner()
    pacs = PACS()
    dataset, path = film(tmp_path)
    with scripted_node(
        settings(tmp_path, [destination("pacs", free_port)]), runner=runner
    ) as node:
        send(node, path)

        def has_tried():
            jobs = get(node, "/api/v1/jobs")["items"]
            rows = jobs[0]["deliveries"] if jobs else []
            return bool(rows) and all(row["attempts"] >= 2 for row in rows)

        assert wait_until(has_tried)
        waiting = one_job(node, dataset.SOPInstanceUID)["deliveries"]
        with pacs.listening(free_port):
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        assert runner.batches == [1]
    assert all(row["state"] == "PENDING" for row in waiting)
    assert all(row["next_try_at"] and row["last_error"] for row in waiting)
    assert len(pacs.held) == len(pacs.stores) == len(EVIDENCE)


def test_a_destination_that_is_down_does_not_block_another(tmp_path, pacs, free_port):
    dataset, path = film(tmp_path)
    places = [destination("down", free_port), destination("up", pacs.port)]
    with scripted_node(settings(tmp_path, places)) as node:
        send(node, path)
        assert pacs.wait_for(len(EVIDENCE))
        job = one_job(node, dataset.SOPInstanceUID)
        assert (job["state"], job["stage"]) == ("IN PROGRESS", "delivering")


def test_a_destination_that_says_nothing_does_not_block_another(tmp_path, pacs):
    """It lets callers in and never answers; patience with it has no end here."""
    dataset, path = film(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = [
            destination("silent", silent.getsockname()[1]),
            destination("up", pacs.port),
        ]
        endless = {"association_timeout_s": 3600.0, "network_timeout_s": 3600.0}
        conf = settings(tmp_path, places, dimse=endless)
        with scripted_node(conf) as node:
            send(node, path)
            assert pacs.wait_for(len(EVIDENCE))
            job = one_job(node, dataset.SOPInstanceUID)
            silent.close()
    waiting = {row["state"] for row in job["deliveries"] if row["destination"] != "up"}
    assert (job["state"], waiting) == ("IN PROGRESS", {"PENDING"})


def test_an_optional_destination_is_not_waited_for(tmp_path, pacs, free_port):
    dataset, path = film(tmp_path)
    places = [
        destination("down", free_port, required=False),
        destination("up", pacs.port),
    ]
    with scripted_node(settings(tmp_path, places)) as node:
        send(node, path)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")


def test_an_old_pacs_gets_the_same_report_under_a_class_that_it_knows(tmp_path):
    old = PACS([EnhancedSRStorage, GrayscaleSoftcopyPresentationStateStorage])
    dataset, path = film(tmp_path)
    with old.listening() as port:
        place = destination("old", port, evidence=["measurement-report"])
        with scripted_node(settings(tmp_path, [place])) as node:
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
            job = one_job(node, dataset.SOPInstanceUID)
    (report,) = old.datasets()
    assert report.SOPClassUID == EnhancedSRStorage
    classes = {row["sop_instance_uid"]: row["sop_class_uid"] for row in job["evidence"]}
    tried = [
        (classes[row["sop_instance_uid"]], row["state"]) for row in job["deliveries"]
    ]
    assert tried == [
        (Comprehensive3DSRStorage, "SUPERSEDED"),
        (ComprehensiveSRStorage, "SUPERSEDED"),
        (EnhancedSRStorage, "SENT"),
    ]
    first, second, third = job["deliveries"]
    assert first["superseded_by"] == second["sop_instance_uid"]
    assert second["superseded_by"] == third["sop_instance_uid"]


def test_a_segmentation_that_is_not_accepted_is_replaced_by_the_presentation_state(
    tmp_path,
):
    old = PACS([Comprehensive3DSRStorage, GrayscaleSoftcopyPresentationStateStorage])
    dataset, path = film(tmp_path)
    with (
        old.listening() as port,
        scripted_node(settings(tmp_path, [destination("old", port)])) as node,
    ):
        send(node, path)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        job = one_job(node, dataset.SOPInstanceUID)
    states = sorted(row["state"] for row in job["deliveries"])
    assert states == ["SENT", "SENT", "SUPERSEDED", "SUPERSEDED"]
    assert len(old.held) == 2


def test_a_class_without_a_stand_in_fails_visibly_and_can_be_retried(
    tmp_path, free_port
):
    picky = PACS([Comprehensive3DSRStorage])
    dataset, path = film(tmp_path)
    kinds = ["lung-segmentation"]
    with picky.listening(free_port) as port:
        place = destination("picky", port, evidence=kinds, fallback={})
        with scripted_node(settings(tmp_path, [place])) as node:
            send(node, path)
            seen = wait_for_state(node, dataset.SOPInstanceUID, "failed")
            uid = seen["workitem_uid"]
            (row,) = get(node, f"/api/v1/jobs/{uid}")["deliveries"]
            assert row["state"] == "FAILED"
            assert "0x0122" in row["last_error"]
            assert seen["reason"]["code"] == "DELIVERY_GIVEN_UP"
            failed = get(node, f"/api/v1/jobs/{uid}")
            assert (failed["state"], failed["stage"]) == ("CANCELED", "failed")
            assert failed["reason"] == seen["reason"]
            (listed,) = get(node, "/api/v1/jobs?stage=failed")["items"]
            assert listed == failed
    able, runner = PACS([SegmentationStorage]), ScriptedRunner()
    with (
        able.listening(port),
        scripted_node(settings(tmp_path, [place]), runner=runner) as node,
    ):
        status, answer = request(node, "POST", f"/api/v1/jobs/{uid}/retry")
        assert status == 200
        seen = wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        assert seen["workitem_uid"] == answer["workitem_uid"] != uid
        assert get(node, f"/api/v1/jobs/{uid}")["replaced_by"] == seen["workitem_uid"]
        assert runner.batches == []


def test_a_refusal_for_lack_of_space_is_tried_again(tmp_path):
    refusals = iter([0xA700, 0xA700])
    full = PACS(status=lambda _uid: next(refusals, 0x0000))
    dataset, path = film(tmp_path)
    with full.listening() as port:
        place = destination("full", port, evidence=["measurement-report"])
        with scripted_node(settings(tmp_path, [place])) as node:
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
            (row,) = one_job(node, dataset.SOPInstanceUID)["deliveries"]
    assert row["attempts"] == 3


def test_a_refusal_for_good_fails_at_once(tmp_path):
    refusing = PACS(status=lambda _uid: 0xA900)
    dataset, path = film(tmp_path)
    with refusing.listening() as port:
        place = destination("no", port, evidence=["measurement-report"])
        with scripted_node(settings(tmp_path, [place])) as node:
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "failed")
            (row,) = one_job(node, dataset.SOPInstanceUID)["deliveries"]
    assert (row["attempts"], row["last_status"]) == (1, 0xA900)


def test_own_results_that_come_back_are_recognised_and_left_alone(tmp_path, pacs):
    dataset, path = film(tmp_path)
    place = destination("pacs", pacs.port, evidence=["secondary-capture"])
    with scripted_node(settings(tmp_path, [place])) as node:
        send(node, path)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        (capture,) = pacs.datasets()
        back = tmp_path / "back.dcm"
        back.write_bytes(next(iter(pacs.held.values())))
        held = stored_bytes(tmp_path)
        (stored,) = send(node, back)
        seen = wait_for_state(node, capture.SOPInstanceUID, "not eligible")
        (again,) = send(node, back)
        assert stored_bytes(tmp_path) == held
        seen_again = get(node, f"/api/v1/instances/{capture.SOPInstanceUID}")
    assert (stored.status, again.status) == (0x0000, 0x0000)
    assert seen["reason"]["code"] == "OWN_RESULT"
    assert (seen["duplicates"], seen_again["duplicates"]) == (0, 1)


def stored_bytes(folder):
    """Count the bytes of all objects in a node's store."""
    files = (folder / "objects").rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def test_the_same_image_again_is_acknowledged_and_not_analysed_again(tmp_path, pacs):
    runner = ScriptedRunner()
    dataset, path = film(tmp_path)
    with scripted_node(
        settings(tmp_path, [destination("pacs", pacs.port)]), runner=runner
    ) as node:
        send(node, path)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        (again,) = send(node, path)
        assert again.status == 0x0000
        assert len(get(node, "/api/v1/jobs")["items"]) == 1
        assert runner.batches == [1]


def test_two_working_processes_share_the_work_and_never_an_image(tmp_path, pacs):
    one, two = ScriptedRunner(), ScriptedRunner()
    films = [film(tmp_path, seed) for seed in range(12)]
    conf = settings(tmp_path, [destination("pacs", pacs.port)], model={"batch_size": 2})
    with (
        scripted_node(conf, Role.RECEIVE) as receiver,
        scripted_node(conf, Role.WEB) as web,
        scripted_node(conf, Role.WORK, one),
        scripted_node(conf, Role.WORK, two),
    ):
        send(receiver, *(path for _, path in films))
        for dataset, _ in films:
            wait_for_state(web, dataset.SOPInstanceUID, "delivered")
        jobs = get(web, "/api/v1/jobs")["items"]
        analysed = sum(one.batches) + sum(two.batches)
    assert analysed == len(films)
    assert all(len(job["attempts"]) == 1 for job in jobs)
    assert len(pacs.held) == len(films) * len(EVIDENCE)
    # Whoever lost an answer says so and sends again; nobody sends beside another.
    tries = sum(one["attempts"] for job in jobs for one in job["deliveries"])
    assert (len(pacs.stores), set(pacs.stores)) == (tries, set(pacs.held.items()))


def test_a_job_can_be_canceled_while_it_is_delivered(tmp_path, free_port):
    dataset, path = film(tmp_path)
    with scripted_node(settings(tmp_path, [destination("down", free_port)])) as node:
        send(node, path)
        seen = wait_for_state(node, dataset.SOPInstanceUID, "delivering")
        status, job = request(
            node, "POST", f"/api/v1/jobs/{seen['workitem_uid']}/cancel"
        )
        assert (status, job["state"]) == (200, "CANCELED")
        wait_for_state(node, dataset.SOPInstanceUID, "canceled")


def test_nothing_is_received_or_claimed_after_a_stop(tmp_path, pacs):
    conf = settings(tmp_path, [destination("pacs", pacs.port)])
    node = scripted_node(conf)
    with node:
        port = node.dimse_port
    assert port is not None
    _, path = film(tmp_path)
    with pytest.raises(PeerUnreachable):
        send(port, path)
    with scripted_node(conf, Role.WEB) as web:
        assert get(web, "/api/v1/instances")["items"] == []
