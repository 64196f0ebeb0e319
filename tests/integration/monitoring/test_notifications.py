"""Notifications: rules, and real receivers of webhooks, mail, HL7 and FHIR."""

import asyncio
import base64
import json
import ssl
import subprocess
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hl7
import pytest
from aiosmtpd.controller import Controller
from hl7.mllp import start_hl7_server
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from dicom_node.errors import PeerBusy, PeerRefused, PeerUnreachable, SettingsInvalid
from dicom_node.monitoring.notifying.channels.fhir import FhirServer, bundle
from dicom_node.monitoring.notifying.channels.hl7 import Hl7Receiver
from dicom_node.monitoring.notifying.channels.mail import Mail
from dicom_node.monitoring.notifying.channels.webhook import Webhook
from dicom_node.monitoring.notifying.notifier import Notifier
from dicom_node.monitoring.notifying.rules import Rules, Watcher
from dicom_node.monitoring.notifying.told import ToldNotification
from dicom_node.node.settings.load import Settings
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.monitoring import notifications
from storage.records import Cause, NewDelivery, Reason
from storage.worklist.jobs import get_job
from tests.factories.certificates import self_signed
from tests.factories.rows import after, an_evidence, claim, new_uid, receive, settle
from tests.peers.ports import free_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  an example
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
RESULT = json.loads(
    (Path(__file__).parents[2] / "factories" / "result.json").read_text()
)
TLS = ssl.create_default_context()


@pytest.fixture
def database(tmp_path):
    with closing(Database(f"sqlite:///{tmp_path}/node.db")) as database:
        database.migrate()
        yield database


def watch(database, at=2000.0, **rules):
    Watcher(database, [Rules("ward", **rules)], lambda: after(at)).work()


def waiting(database):
    """Take everything that waits: rule, subject, content."""
    found = []
    with database.transaction() as tx:
        while one := notifications.take(
            tx, "ward", now=after(10**6), until=after(10**7)
        ):
            found.append((one.rule, one.subject, one.content))
    return found


def film(database, number=1, total=40.0, **changes):
    """Let a film come and be analysed."""
    receive(database, number)
    (item,) = claim(database)
    severity = RESULT["severity"] | {"total": total}
    result = RESULT | {"severity": severity} | changes
    settle(database, item, result=result)
    return item.workitem_uid


def test_a_result_over_the_threshold_is_told_once_and_one_below_is_not(database):
    watch(database, severity_percent=25.0)
    uid = film(database, 1, total=40.0)
    film(database, 2, total=3.0)
    for _ in range(2):
        watch(database, severity_percent=25.0)
    ((rule, subject, content),) = waiting(database)
    assert (rule, subject) == ("result", uid)
    assert (content["severity_percent"], content["reasons"]) == (40.0, ["severity"])


def test_growth_is_told_of_unless_it_may_be_error(database):
    prior = {
        "acquired_at": "2026-01-01T00:00:00+00:00",
        "image": None,
        "report": None,
        "model": "m",
        "severity": {"total": 1.0, "right": 1.0, "left": 1.0},
        "change": {"total": 12.0, "right": 12.0, "left": 12.0},
    }
    watch(database, growth_points=10.0)
    uid = film(database, 1, prior=prior)
    film(database, 2, prior=prior | {"exceeds_interval": False})
    film(database, 3, prior=prior | {"change": None})
    watch(database, growth_points=10.0)
    assert [subject for _, subject, _ in waiting(database)] == [uid]


def test_what_failed_is_told_and_what_is_not_eligible_is_not(database):
    watch(database, failed=True)
    receive(database, 1, 2)
    broken, lateral = claim(database, 2)
    steps = ProcedureSteps(database, clock=lambda: after(1010), new_uid=new_uid)
    steps.cancel(broken, Reason("MODEL_FAILED", "It failed.", Cause.FAILURE))
    steps.cancel(lateral, Reason("NO_LUNGS", "No lungs.", Cause.IMAGE))
    watch(database, failed=True)
    assert waiting(database) == [
        ("failed", broken.workitem_uid, {"code": "MODEL_FAILED"})
    ]


def test_a_late_job_is_told_of_once(database):
    receive(database, 1)
    for at in (100.0, 2000.0, 3000.0):
        watch(database, at, late_s=900.0)
    assert waiting(database) == [("late", "1.9.1", {"stage": "queued"})]


def test_a_destination_that_is_down_is_told_of_once_a_day(database):
    receive(database, 1)
    (item,) = claim(database)
    evidence = an_evidence(1, workitem_uid=item.workitem_uid)
    delivery = NewDelivery(
        sop_instance_uid=evidence.sop_instance_uid, destination="pacs", required=True
    )
    settle(database, item, (evidence,), (delivery,))
    day = 86_400.0
    for at in (1500.0, 4000.0, 5000.0, day + 4000.0):
        watch(database, at, destination_down_s=1800.0)
    found = waiting(database)
    assert [content for _, _, content in found] == [
        {"destination": "pacs", "waiting": 1}
    ] * 2


def told(database):
    watch(database, severity_percent=0.0)
    uid = film(database)
    watch(database, severity_percent=0.0)
    with database.transaction() as tx:
        found = notifications.take(tx, "ward", now=after(9000), until=after(9001))
    with database.transaction(read_only=True) as tx:
        return ToldNotification("CXR_NODE-1", found, get_job(tx, uid))


@contextmanager
def http(status=200, context=None):
    """A server that keeps what is posted: (path, headers, body)."""
    posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.append((self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", posts
        finally:
            server.shutdown()
            thread.join()


def webhook(place, *, patient_ids=False, scheme="http", tls=TLS):
    url = f"{scheme}://{place}/hook"
    return Webhook(url, KEY, tls, patient_ids, lambda: datetime.now(UTC))


def test_a_webhook_is_signed_so_that_its_receiver_can_verify_it(database):
    message = told(database)
    with http() as (place, posts):
        webhook(place).tell(message)
    ((path, headers, body),) = posts
    assert path == "/hook"
    said = Verifier(SECRET).verify(body, {key.lower(): headers[key] for key in headers})
    assert said["type"] == "cxr.result"
    assert said["data"]["severity_percent"] == 40.0
    assert "P1" not in body.decode()
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body + b" ", headers)


def test_a_webhook_names_the_patient_where_that_is_wanted_and_trusts_a_named_ca(
    database, tmp_path
):
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    ours = ssl.create_default_context(cafile=str(certificate))
    message = told(database)
    with http(context=context) as (place, posts):
        webhook(place, patient_ids=True, scheme="https", tls=ours).tell(message)
        with pytest.raises(PeerUnreachable):
            webhook(place, scheme="https").tell(message)
    ((_, _, body),) = posts
    assert json.loads(body)["data"]["patient_id"] == "P1"


@pytest.mark.parametrize(
    ("status", "error"), [(503, PeerBusy), (401, PeerBusy), (422, PeerRefused)]
)
def test_a_webhook_that_was_not_taken_is_told_from_one_that_never_will_be(
    database, status, error
):
    message = told(database)
    with http(status) as (place, _), pytest.raises(error):
        webhook(place).tell(message)


def test_what_was_not_taken_is_tried_again_with_the_same_key(database):
    watch(database, severity_percent=0.0)
    film(database)
    watch(database, severity_percent=0.0)
    now = [after(3000)]

    def notifier(place):
        return Notifier(
            database,
            "ward",
            webhook(place),
            node="CXR_NODE",
            back_off=BackOff(10.0, 10.0),
            give_up_after_s=3600.0,
            clock=lambda: now[0],
        )

    with http(503) as (place, refused):
        assert notifier(place).work() is True
        assert notifier(place).work() is False
    now[0] += timedelta(minutes=1)
    with http() as (place, taken):
        assert notifier(place).work() is True
        assert notifier(place).work() is False
    ids = [headers["webhook-id"] for _, headers, _ in (*refused, *taken)]
    assert ids == ["CXR_NODE-1"] * 2


def test_mail_goes_out_over_tls(database, tmp_path):
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    ours = ssl.create_default_context(cafile=str(certificate))
    received = []

    class Keep:
        async def handle_DATA(self, _, session, envelope):  # noqa: N802  aiosmtpd's
            received.append((session.ssl is not None, envelope))
            return "250 OK"

    port = free_port()
    controller = Controller(
        Keep(),
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
    )
    controller.start()
    try:
        mail = Mail(
            "127.0.0.1",
            port,
            "starttls",
            ours,
            "node@hospital.example",
            ("ward@hospital.example",),
            patient_ids=False,
        )
        mail.tell(told(database))
    finally:
        controller.stop()
    ((secure, envelope),) = received
    assert secure
    assert envelope.rcpt_tos == ["ward@hospital.example"]
    text = envelope.content.decode()
    assert "Subject: CXR Node: opacity over 40.0 % of the lungs" in text
    assert "P1" not in text


def test_a_mail_server_that_is_away_may_come_back(database, free_port):
    mail = Mail("127.0.0.1", free_port, "none", TLS, "a@b", ("c@d",), patient_ids=False)
    with pytest.raises(PeerUnreachable):
        mail.tell(told(database))


class Engine:
    """An interface engine of another code base (python-hl7), in a thread of its own."""

    def __init__(self, code="AA"):
        self.code = code
        self.messages = []
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(60)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        server = await start_hl7_server(
            self._talk, host="127.0.0.1", port=self.port, encoding="utf-8"
        )
        async with server:
            self._up.set()
            await self._stop.wait()

    async def _talk(self, reader, writer):
        try:
            message = await reader.readmessage()
            self.messages.append(message)
            writer.writemessage(message.create_ack(ack_code=self.code))
            await writer.drain()
        finally:
            writer.close()


def test_an_interface_engine_gets_a_result_as_oru_and_acknowledges_it(database):
    message = told(database)
    with Engine() as engine:
        Hl7Receiver("127.0.0.1", engine.port, "CXR|NODE", "RIS", "H").tell(message)
    (oru,) = engine.messages
    assert str(oru.segment("MSH")[9]) == "ORU^R01^ORU_R01"
    assert str(oru.segment("MSH")[10]) == "CXR_NODE-1"
    assert oru.unescape(str(oru.segment("MSH")[3])) == "CXR|NODE"
    assert str(oru.segment("PID")[3][0][0]) == "P1"
    assert str(oru.segment("OBR")[3]) == "A1"
    values = {str(one[3][0][0]): one for one in oru.segments("OBX")}
    assert float(str(values["SEVERITY-TOTAL"][5])) == 40.0
    assert str(values["SEVERITY-TOTAL"][8]) == "A"
    assert str(values["SEVERITY-TOTAL"][6]) == "%^percent^UCUM"
    findings = [one for one in oru.segments("OBX") if "FINDING" in str(one[3])]
    assert len(findings) == len(RESULT["findings"])
    assert hl7.parse(str(oru)).segment("OBR") == oru.segment("OBR")


@pytest.mark.parametrize(("code", "error"), [("AE", PeerBusy), ("AR", PeerRefused)])
def test_a_result_that_is_not_acknowledged_is_not_told(database, code, error):
    message = told(database)
    with Engine(code) as engine, pytest.raises(error):
        Hl7Receiver("127.0.0.1", engine.port, "CXR_NODE").tell(message)


def test_an_engine_that_is_away_may_come_back(database, free_port):
    with pytest.raises(PeerUnreachable):
        Hl7Receiver("127.0.0.1", free_port, "CXR_NODE").tell(told(database))


def test_a_fhir_server_gets_a_report_with_its_observations(database):
    message = told(database)
    with http() as (place, posts):
        FhirServer(f"http://{place}/fhir", TLS, "token").tell(message)
    ((path, headers, body),) = posts
    assert (path, headers["Authorization"]) == ("/fhir", "Bearer token")
    assert headers["Content-Type"] == "application/fhir+json"
    posted = json.loads(body)
    resources = [one["resource"] for one in posted["entry"]]
    report = resources[-1]
    assert report["resourceType"] == "DiagnosticReport"
    links = {one["fullUrl"] for one in posted["entry"][:-1]}
    assert {one["reference"] for one in report["result"]} == links
    assert len(links) == len(resources) - 1
    assert report["subject"]["identifier"]["value"] == "P1"
    total = resources[0]
    assert (total["valueQuantity"]["value"], total["valueQuantity"]["unit"]) == (
        40.0,
        "%",
    )


_VALIDATE = """
const {Fhir} = require("fhir");
const bundle = JSON.parse(require("fs").readFileSync(0));
const check = one => new Fhir().validate(one.resource, {errorOnUnexpected: true});
const found = bundle.entry.map(check);
const messages = found.flatMap(one => one.messages);
const errors = messages.filter(one => one.severity === "error");
console.log(JSON.stringify([found.every(one => one.valid), errors]));
"""


def test_a_foreign_validator_of_r4_has_nothing_against_the_resources(database):
    validator = Path(__file__).parents[3] / ".cache" / "fhir"
    if not (validator / "node_modules" / "fhir").is_dir():
        pytest.skip(
            "the FHIR validator is not installed: see scripts/install-test-peers"
        )
    message = told(database)
    said = bundle(message.job, message.result)
    assert _validated(validator, said) == [True, []]
    said["entry"][0]["resource"]["status"] = "nonsense"
    assert _validated(validator, said)[0] is False


def _validated(folder, said):
    done = subprocess.run(
        ["node", "-e", _VALIDATE],
        input=json.dumps(said),
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


WEBHOOK = {"name": "a", "kind": "webhook", "url": "https://x.example", "secret": SECRET}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (WEBHOOK, "there is no rule"),
        (WEBHOOK | {"failed": True, "secret": ""}, "needs secret"),
        (WEBHOOK | {"failed": True, "secret": "whsec_%"}, "secret is base64"),
        (WEBHOOK | {"failed": True, "url": "http://x.example"}, "TLS only"),
        (WEBHOOK | {"failed": True, "url": "ftp://x"}, "not a URL"),
        ({"name": "a", "kind": "hl7", "failed": True, "host": "x", "port": 1}, "alone"),
        ({"name": "a", "kind": "mail", "failed": True, "host": "x"}, "needs port"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(section, words):
    with pytest.raises(SettingsInvalid, match=words):
        Settings.load(None, {"notifications": [section]})
