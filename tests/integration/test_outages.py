"""What is away for a while: a line, a pause, and nothing lost."""

import logging
from contextlib import closing

import pytest

from storage.database import Database
from tests.factories.nodes import (
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
from tests.peers.pacs import PACS
from tests.peers.postgres import own_server

pytestmark = pytest.mark.slow
OURS = ("dicom_node", "storage", "inference")


def film(folder, seed=0):
    dataset = synthetic_dataset("CR", seed, rows=448, columns=400)
    return dataset.SOPInstanceUID, save(dataset, folder)


def test_a_database_that_is_away_is_told_of_once_and_in_single_lines(
    tmp_path, postgres_url, caplog
):
    del postgres_url  # skips where there is none
    caplog.set_level(logging.INFO, "dicom_node")
    pacs = PACS()
    first, path = film(tmp_path, 1)
    second, later = film(tmp_path, 2)
    with own_server() as server, pacs.listening() as port:
        with closing(Database(server.url)) as database:
            database.migrate()
        conf = settings(
            tmp_path / "node",
            [destination("pacs", port)],
            database={"url": server.url},
        )
        with scripted_node(conf) as node:
            send(node, path)
            wait_for_state(node, first, "delivered")
            server.stop()
            assert wait_until(lambda: caplog.text.count("A batch failed") >= 3)
            status, told = request(node, "GET", "/health/ready")
            assert (status, told["checks"]["database"] != "ok") == (503, True)
            (refused,) = send(node, later)
            assert refused.status == 0xA700
            server.start()
            assert wait_until(lambda: request(node, "GET", "/health/ready")[0] == 200)
            assert wait_until(lambda: "All timers work again." in caplog.messages)
            send(node, later)
            wait_for_state(node, second, "delivered")
    lines = [one for one in caplog.records if one.name.startswith(OURS)]
    for line in lines:
        assert not line.exc_info
        assert "\n" not in line.message
    for once in ("Timers fail", "Lost the database"):
        assert len([one for one in lines if once in one.message]) == 1


def test_a_name_that_does_not_resolve_is_a_destination_that_cannot_be_reached(
    tmp_path, caplog
):
    place = destination("pacs", 104, host="pacs.invalid")
    patience = {"first_retry_s": 0.1, "longest_retry_s": 0.2, "probe_s": 0.1}
    patience["give_up_after_s"] = 2
    uid, path = film(tmp_path)
    conf = settings(tmp_path / "node", [place], delivery=patience)
    with scripted_node(conf) as node:
        send(node, path)
        wait_for_state(node, uid, "failed")
        (job,) = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
    assert job["reason"]["code"] == "DELIVERY_GIVEN_UP"
    for row in job["deliveries"]:
        assert "pacs.invalid does not resolve" in row["last_error"]
    lines = [one for one in caplog.records if one.name.startswith(OURS)]
    assert not any(line.exc_info for line in lines)
    assert len([one for one in lines if "cannot be reached" in one.message]) == 1
