"""The audit trail: written down, not to be changed unseen, and sent to rsyslog."""

import base64
import shutil
import ssl
import subprocess
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx2
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from dicom_node.cli import cli
from dicom_node.errors import PeerUnreachable
from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.message import to_xml
from dicom_node.monitoring.audit.occasions import AuditedStudy, Caller
from dicom_node.monitoring.audit.refusals import A_MINUTE, Refusals
from dicom_node.monitoring.audit.syslog import Forwarder, SyslogReceiver
from dicom_node.monitoring.audit.trail import KeptTrail
from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.monitoring import audit_trail
from storage.schema import audit_record
from tests.factories.certificates import self_signed
from tests.factories.nodes import (
    destination,
    get,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.factories.rows import NOW
from tests.peers.pacs import PACS
from tests.peers.ports import free_port
from tests.peers.postgres import postgres_url
from tests.peers.syslog import rsyslog

__all__ = ["postgres_url"]
SCHEMA = Path(__file__).parent / "audit-message.rnc"
WHO = Caller("häns\x00<&>\u202e", "192.0.2.9")
STUDY = AuditedStudy("1.2.3", "P<1>&", {"1.2.840.10008.5.1.4.1.1.1": 2})
OCCASIONS = {
    "started": occasions.started("NODE"),
    "stopped": occasions.stopped("NODE"),
    "received": occasions.transferred(WHO, Caller("NODE"), STUDY, received=True),
    "sent": occasions.transferred(Caller("NODE"), WHO, STUDY, received=False),
    "accessed": occasions.accessed(WHO, "NODE", STUDY),
    "queried": occasions.queried(WHO, "NODE", "QIDO-RS", "PatientID=é&x=%00"),
    "refused": occasions.refused(WHO, "NODE", "unknown AE title"),
    "configured": occasions.configured(WHO, "NODE", "destinations"),
    "access": occasions.access_changed(WHO, "NODE", "user added"),
    "in": occasions.logged_in(WHO, "NODE", failed=True),
    "out": occasions.logged_out(WHO, "NODE"),
    "recalled": occasions.recalled(WHO, "NODE", STUDY),
    "read": occasions.trail_read(WHO, "NODE"),
}


def trail_of(database):
    return KeptTrail(database, "NODE", lambda: datetime.now(UTC))


def records(database):
    with database.transaction(read_only=True) as tx:
        return audit_trail.after(tx, 0, 1000)


def write(database, count):
    for number in range(count):
        trail_of(database).record(occasions.logged_in(Caller(f"user-{number}"), "NODE"))


def test_every_message_is_valid_by_the_schema_of_the_standard(tmp_path):
    jing = shutil.which("jing")
    if jing is None:
        pytest.skip("jing is not installed: see scripts/install-test-peers")
    files = []
    for name, message in OCCASIONS.items():
        files.append(tmp_path / f"{name}.xml")
        files[-1].write_text(to_xml(message, NOW, "NODE"), encoding="utf-8")
    words = [jing, "-c", str(SCHEMA), *map(str, files)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "broken.xml"
    broken.write_text(
        files[0].read_text().replace('EventActionCode="E"', 'EventActionCode="X"')
    )
    refusal = subprocess.run(
        [*words[:3], str(broken)], check=False, capture_output=True
    )
    assert refusal.returncode == 1


def test_what_a_peer_calls_itself_cannot_break_a_message():
    root = ET.fromstring(to_xml(OCCASIONS["queried"], NOW, "NODE"))  # noqa: S314  our own
    assert root.find("ActiveParticipant").get("UserID") == "häns<&>\u202e"
    asked = root.findtext(".//ParticipantObjectQuery")
    assert base64.b64decode(asked).decode() == "PatientID=é&x=%00"


def test_a_chain_that_nobody_touched_is_unbroken(database):
    write(database, 3)
    with database.transaction(read_only=True) as tx:
        verdict = audit_trail.verify(tx)
    assert (verdict.records, verdict.broken_at) == (3, None)
    assert verdict.last == records(database)[-1].sha256


@pytest.mark.parametrize(
    "change",
    [
        update(audit_record)
        .where(audit_record.c.record_id == 2)
        .values(message="<a/>"),
        update(audit_record).where(audit_record.c.record_id == 2).values(event="Query"),
        update(audit_record).where(audit_record.c.record_id == 2).values(at=NOW),
        audit_record.delete().where(audit_record.c.record_id == 2),
        audit_record.delete().where(audit_record.c.record_id == 1),
        update(audit_record).where(audit_record.c.record_id == 2).values(sha256="0"),
    ],
)
def test_a_row_that_was_changed_or_removed_is_found(database, change):
    write(database, 3)
    with database.transaction() as tx:
        tx.execute(change)
    with database.transaction(read_only=True) as tx:
        assert audit_trail.verify(tx).broken_at in (1, 2)


def test_refusals_that_come_like_rain_are_counted_not_kept(database):
    seconds = [0.0]
    refusals = Refusals(trail_of(database), "NODE", lambda: seconds[0])
    for _ in range(A_MINUTE + 5):
        refusals.refuse("EVIL", "192.0.2.66", "unknown AE title")
    assert len(records(database)) == A_MINUTE
    seconds[0] = 61.0
    refusals.refuse("EVIL", "192.0.2.66", "unknown AE title")
    assert "5 refusals before" in records(database)[-1].message


def test_the_node_writes_down_its_life_and_what_came_and_went(tmp_path):
    pacs = PACS()
    film = synthetic_dataset("CR", 0, rows=512, columns=448, PatientID="PID-77")
    with ExitStack() as stack:
        stack.enter_context(pacs.listening())
        conf = settings(tmp_path / "data", [destination("pacs", pacs.port)])
        node = stack.enter_context(scripted_node(conf))
        send(node, save(film, tmp_path))
        wait_for_state(node, film.SOPInstanceUID, "delivered")
        with pytest.raises(PeerUnreachable):
            send(node, save(film, tmp_path), calling_ae="STRANGER")
        database = Database(f"sqlite:///{tmp_path}/data/node.db")
        with closing(database):
            assert wait_until(lambda: _sent(database) == len(pacs.stores))
        uid = film.StudyInstanceUID
        get(node, "/dicom-web/studies?PatientID=PID-77")
        for _ in range(3):
            get(node, f"/dicom-web/studies/{uid}/metadata")
    with closing(Database(f"sqlite:///{tmp_path}/data/node.db")) as database:
        told = records(database)
    assert "Application Start" in told[0].message
    assert "Application Stop" in told[-1].message
    assert any("STRANGER" in one.message for one in told)
    (arrival,) = (one.message for one in told if 'EventActionCode="C"' in one.message)
    assert film.StudyInstanceUID in arrival
    assert "PID-77" in arrival
    assert "MODALITY" in arrival
    asked = [one.message for one in told if one.event == "Query"]
    assert [_query(one) for one in asked] == ["/studies?PatientID=PID-77"]
    seen = [one.message for one in told if one.event == "DICOM Instances Accessed"]
    assert [uid in one and "PID-77" in one for one in seen] == [True]
    listed = _run(tmp_path, "list", "--json")
    assert listed.exit_code == 0
    verified = _run(tmp_path, "verify")
    assert verified.exit_code == 0
    assert f"{len(told) + 1} records, unbroken" in verified.output


def test_where_messages_name_no_patient_they_say_no_query_either(tmp_path):
    conf = settings(tmp_path / "data", [], audit={"patient_ids": False})
    with scripted_node(conf) as node:
        get(node, "/dicom-web/studies?PatientID=PID-77")
    with closing(Database(f"sqlite:///{tmp_path}/data/node.db")) as database:
        told = records(database)
    assert [_query(one.message) for one in told if one.event == "Query"] == ["/studies"]
    assert not any("PID-77" in one.message for one in told)


def test_who_signs_in_and_out_and_changes_access_is_written_down(tmp_path):
    environment = {"CXR_NODE__NODE__DATA_DIR": str(tmp_path / "data")}
    secret = "a long enough password"  # noqa: S105  of this test alone
    added = CliRunner(env=environment).invoke(
        cli, ["users", "add", "ada", "--role", "admin"], input=f"{secret}\n"
    )
    assert added.exit_code == 0, added.output
    with scripted_node(settings(tmp_path / "data", [])) as node:
        base = f"http://127.0.0.1:{node.http_port}"
        same = {"Sec-Fetch-Site": "same-origin"}
        with httpx2.Client(base_url=base, headers=same) as browser:
            form = {"name": "ada", "password": "another password"}
            assert browser.post("/login", data=form).status_code == 401
            form["password"] = secret
            assert browser.post("/login", data=form).status_code == 303
            wanted = {"name": "viewer", "role": "viewer"}
            assert browser.post("/api/v1/keys", json=wanted).status_code == 201
            assert browser.post("/logout").status_code == 303
    with closing(Database(f"sqlite:///{tmp_path}/data/node.db")) as database:
        told = [one.message for one in records(database)]
    said = [
        (kind, 'EventOutcomeIndicator="0"' in one, 'UserID="ada"' in one)
        for one in told
        for kind in ("Login", "Logout", "Security Configuration")
        if f'originalText="{kind}"' in one or f'displayName="{kind}"' in one
    ]
    assert said == [
        ("Security Configuration", True, False),  # at the machine itself
        ("Login", False, False),
        ("Login", True, True),
        ("Security Configuration", True, True),
        ("Logout", True, True),
    ]
    assert not any(secret in one or "another password" in one for one in told)


def _query(message):
    asked = ET.fromstring(message).findtext(".//ParticipantObjectQuery")  # noqa: S314  our own
    return base64.b64decode(asked).decode()


def _sent(database):
    xml = [
        ET.fromstring(one.message)  # noqa: S314  our own
        for one in records(database)
        if 'EventActionCode="R"' in one.message
    ]
    classes = [found for one in xml for found in one.iter("SOPClass")]
    return sum(int(one.get("NumberOfInstances")) for one in classes)


def _run(folder, *words):
    environment = {"CXR_NODE__NODE__DATA_DIR": str(folder / "data")}
    return CliRunner(env=environment).invoke(cli, ["audit", *words])


@pytest.fixture
def forwarding(tmp_path):
    """A database with a trail, and a way to rsyslog that is not there yet."""
    url = f"sqlite:///{tmp_path}/node.db"
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    certificate, _ = self_signed(folder)
    context = ssl.create_default_context(cafile=str(certificate))
    tls, udp = free_port(), free_port()

    def forwarder(database, transport):
        port = tls if transport == "tls" else udp
        receiver = SyslogReceiver(transport, "127.0.0.1", port, transport, context)
        return Forwarder(
            database, receiver, BackOff(0.001, 0.001), lambda: datetime.now(UTC)
        )

    with closing(Database(url)) as database:
        database.migrate()
        yield database, forwarder, (folder, tls, udp)


def test_rsyslog_gets_every_message_over_tls_also_what_was_written_in_an_outage(
    forwarding,
):
    database, forwarder, place = forwarding
    sender = forwarder(database, "tls")
    write(database, 3)
    assert sender.work() is False
    with rsyslog(*place) as received:
        assert wait_until(lambda: sender.work() or _lines(received) >= 3)
    write(database, 2)
    assert sender.work() is False
    # Another process takes up where this one was.
    again = forwarder(database, "tls")
    with rsyslog(*place) as received:
        assert wait_until(lambda: again.work() or _lines(received) >= 5)
        text = received.read_text()
    users = [f"user-{number}" for number in (0, 1, 2, 0, 1)]
    lines = text.splitlines()
    assert all(user in line for user, line in zip(users, lines, strict=True))
    assert all(line.startswith("85|cxr-node|DICOM+RFC3881|") for line in lines)
    assert "<AuditMessage>" in lines[0]


def test_rsyslog_gets_messages_over_udp(forwarding):
    database, forwarder, place = forwarding
    sender = forwarder(database, "udp")
    with rsyslog(*place) as received:

        def arrives():
            write(database, 1)
            sender.work()
            return _lines(received) > 0

        assert wait_until(arrives)
        assert received.read_text().startswith("85|cxr-node|DICOM+RFC3881|")


def _lines(file):
    return len(file.read_text().splitlines()) if file.exists() else 0
