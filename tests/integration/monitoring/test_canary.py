"""A marked patient goes through the node: no trace where none belongs."""

import json
import logging
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from dicom_node.errors import PeerUnreachable
from dicom_node.node import logs
from dicom_node.node.settings.monitoring import NotificationSection
from storage.database import Database
from storage.schema import attempt, delivery, event, notification, tally
from tests.factories.nodes import (
    destination,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS

NAME, PATIENT_ID, ACCESSION = "CANARY^NAME", "CANARYID77", "CANARYACC"
MARKS = ("CANARY",)
RULES = {"severity_percent": 0.0, "failed": True, "late_s": 0.001}


@pytest.fixture
def line_by_line(tmp_path):
    """The log as JSON at its most talkative, in a file."""
    file = tmp_path / "log"
    logs.configure("DEBUG", "json", file=file)
    yield file
    for handler in logging.getLogger().handlers:
        handler.close()


def marked(seed, **changes):
    return synthetic_dataset(
        "CR",
        seed,
        rows=512,
        columns=448,
        PatientName=NAME,
        PatientID=PATIENT_ID,
        AccessionNumber=ACCESSION,
        **changes,
    )


def test_a_marked_patient_leaves_no_trace_where_none_belongs(
    tmp_path, line_by_line, free_port
):
    pacs = PACS()
    hook = {"name": "ward", "kind": "webhook", "secret": "c2VjcmV0", **RULES}
    hook["url"] = f"http://127.0.0.1:{free_port}/hook"
    with pacs.listening():
        conf = settings(
            tmp_path / "data",
            [destination("pacs", pacs.port), destination("down", free_port)],
            metrics={"allow": ["127.0.0.1"]},
        ).model_copy(update={"notifications": (NotificationSection(**hook),)})
        with scripted_node(conf) as node:
            _day(node, tmp_path)
            told = {
                "metrics": _text(node, "/metrics"),
                "health": _text(node, "/health/ready"),
                "refusal": json.dumps(_refusal(node)),
                "titles": _titles_of_processes(),
            }
    told |= {"log": line_by_line.read_text(), "rows": _rows(tmp_path / "data")}
    assert {key: _found(text) for key, text in told.items()} == dict.fromkeys(told, 0)
    lines = [json.loads(line) for line in told["log"].splitlines()]
    analyzed = [one for one in lines if one.get("action") == "analyzed"]
    assert len(analyzed) == 1
    assert analyzed[0]["workitem"]


def _day(node, folder):
    """What may happen: delivered, refused, broken, sent by a stranger."""
    good, side, broken = marked(0), marked(1, ViewPosition="LL"), marked(2)
    broken.PixelData = broken.PixelData[:100]
    for film in (good, side, broken):
        send(node, save(film, folder))
    wait_for_state(node, side.SOPInstanceUID, "not eligible")
    wait_for_state(node, broken.SOPInstanceUID, "failed", "not eligible")
    wait_for_state(node, good.SOPInstanceUID, "delivering")
    with pytest.raises(PeerUnreachable):
        send(node, save(good, folder), calling_ae="STRANGER")


def _found(text):
    return sum(text.count(mark) for mark in MARKS)


def _text(node, path):
    url = f"http://127.0.0.1:{node.http_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=180) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read().decode()


def _refusal(node):
    asked = f"/api/v1/jobs?patient_id={PATIENT_ID}&limit={ACCESSION}"
    status, said = request(node, "GET", asked)
    assert status == 422
    return said


def _titles_of_processes():
    titles = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            titles.append(file.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(titles)


def _rows(folder):
    tables = (attempt, delivery, event, notification, tally)
    with (
        closing(Database(f"sqlite:///{folder}/node.db")) as database,
        database.transaction(read_only=True) as tx,
    ):
        return "\n".join(str(row) for one in tables for row in tx.execute(select(one)))
