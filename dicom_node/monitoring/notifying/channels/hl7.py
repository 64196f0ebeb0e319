"""HL7 v2.5.1 ORU^R01 over MLLP: a result as OBX segments, its ACK awaited."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_node.errors import PeerBusy, PeerRefused, PeerUnreachable
from dicom_node.monitoring.notifying.told import ToldNotification
from dicom_node.worklist.result import Result
from inference.findings import Call

_BEGIN, _END = b"\x0b", b"\x1c\r"
_LONGEST_ANSWER = 65_536
_PATIENCE_S = 30.0
_CODES = "99CXR"
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
)


@dataclass(frozen=True, slots=True)
class Hl7Receiver:
    """An interface engine.

    Parameters
    ----------
    application, facility
        Receiving application and facility, MSH-5 and MSH-6.
    sending
        Sending application, MSH-3.
    tls
        Context of a client; ``None`` for none.
    """

    host: str
    port: int
    sending: str
    application: str = ""
    facility: str = ""
    tls: ssl.SSLContext | None = None

    def tell(self, told: ToldNotification) -> None:
        """Send it, and wait for its ACK; see ``NotificationChannel.tell``."""
        result = told.result
        if told.job is None or result is None:
            return
        text = oru(told, result, self)
        try:
            answer = self._exchange(text.encode())
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise PeerUnreachable(f"no acknowledgement: {why}") from error
        _read(answer.decode("utf-8", "replace"), told.key)

    def _exchange(self, content: bytes) -> bytes:
        place = (self.host, self.port)
        with socket.create_connection(place, _PATIENCE_S) as plain:
            if self.tls is None:
                return _ask(plain, content)
            with self.tls.wrap_socket(plain, server_hostname=self.host) as stream:
                return _ask(stream, content)


def oru(told: ToldNotification, result: Result, receiver: Hl7Receiver) -> str:
    """Write the message; its text is UTF-8 (MSH-18)."""
    assert told.job is not None  # noqa: S101  tell() looked
    instance, item = told.job.instance, told.job.workitem
    now = _moment(item.analyzed_at or told.at)
    to = f"{_text(receiver.application)}|{_text(receiver.facility)}"
    issuer = _text(instance.issuer_of_patient_id)
    patient = f"{_text(instance.patient_id)}^^^{issuer}"
    head = (
        rf"MSH|^~\&|{_text(receiver.sending)}||{to}|{_moment(told.at)}||ORU^R01^ORU_R01"
        f"|{_text(told.key)}|P|2.5.1||||||UNICODE UTF-8"
    )
    observed = _moment(instance.acquired_at or instance.received_at)
    order = (
        f"OBR|1||{_text(instance.accession_number)}|CXR-OPACITY^Opacity on chest"
        f" radiograph^{_CODES}|||{observed}|||||||||||||||{now}||IMG|P"
    )
    lines = [head, f"PID|1||{patient}||", order]
    for number, observation in enumerate(_observations(told, result), 1):
        lines.append(f"OBX|{number}|{observation}|||P|||{observed}")
    return "\r".join(lines) + "\r"


def _observations(told: ToldNotification, result: Result) -> Iterator[str]:
    """Write type, code, sub-ID, value, units, range and abnormal flag of each."""
    flag = "N" if result.call is Call.NONE else "A"
    severity = result.severity
    for code, name, value in (
        ("SEVERITY-TOTAL", "Opacity, both lungs", severity.total),
        ("SEVERITY-RIGHT", "Opacity, right lung", severity.right),
        ("SEVERITY-LEFT", "Opacity, left lung", severity.left),
    ):
        own = flag if value > 0 else "N"
        yield f"NM|{code}^{name}^{_CODES}||{value:.2f}|%^percent^UCUM||{own}"
    score = result.opacity_score
    yield f"NM|OPACITY-SCORE^Probability of opacity^{_CODES}||{score:.4f}|||{flag}"
    for number, one in enumerate(result.findings, 1):
        said = f"{one.label}, {one.place}: {one.percent_of_lung:.1f} % of that lung"
        yield f"ST|FINDING^Opacity^{_CODES}|{number}|{_text(said)}|||A"
    if told.job is not None:
        uid = told.job.instance.study_instance_uid
        yield f"ST|113014^Study Instance UID^DCM||{_text(uid)}|||"


def _ask(stream: socket.socket, content: bytes) -> bytes:
    stream.sendall(_BEGIN + content + _END)
    answer = b""
    while _END not in answer:
        if len(answer) > _LONGEST_ANSWER:
            raise OSError("an answer without end")
        if not (more := stream.recv(4096)):
            raise OSError("the connection ended")
        answer += more
    return answer.split(_END, 1)[0].lstrip(_BEGIN)


def _read(answer: str, key: str) -> None:
    """Look what the receiver made of it (MSA-1, MSA-2)."""
    fields = next(
        (line.split("|") for line in answer.split("\r") if line.startswith("MSA|")), []
    )
    code, about = (*fields[1:3], "", "")[:2]
    if about != _text(key):
        raise PeerBusy("the acknowledgement is about another message")
    if code in ("AR", "CR"):
        raise PeerRefused(0, f"acknowledged by {code}")
    if code not in ("AA", "CA"):
        raise PeerBusy(f"acknowledged by {code or 'nothing'}"[:40])


def _text(foreign: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in foreign)
    return plain.translate(_ESCAPES)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
