"""Sends the audit trail by syslog: RFC 5424 messages over TLS (5425) or UDP (5426).

The trail itself is the spool: each receiver has its place in it, which moves on when
what lies before was taken. Over TLS a batch counts as taken when the receiver answers
the end of the connection that carried it, for only then has it read everything; a
batch that ends otherwise is sent again. UDP has no such answer.
"""

import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.monitoring import audit_trail
from storage.monitoring.audit_trail import AuditRecord
from storage.monitoring.places import move, place

logger = logging.getLogger(__name__)
_PRIORITY = 10 * 8 + 5
"""Facility 10 (security), severity 5 (notice): PS3.15 A.6."""
_BOM = b"\xef\xbb\xbf"
_AT_ONCE = 200
_ANSWER_S = 30.0
_DATAGRAM = 65_507


@dataclass(frozen=True, slots=True)
class SyslogReceiver:
    """An audit record repository.

    Parameters
    ----------
    tls
        Context of a client, for ``tls``.
    message_id
        MSGID: ``DICOM+RFC3881``, or ``IHE+RFC-3881`` where IHE's is wanted.
    """

    name: str
    host: str
    port: int
    transport: Literal["tls", "udp"]
    tls: ssl.SSLContext | None = None
    message_id: str = "DICOM+RFC3881"


class Forwarder:
    """Sends one receiver what it has not got.

    Parameters
    ----------
    database
        Where the trail is.
    receiver
        Whom to send.
    back_off
        How patiently.
    clock
        Aware UTC.
    """

    def __init__(
        self,
        database: Database,
        receiver: SyslogReceiver,
        back_off: BackOff,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._receiver = receiver
        self._back_off = back_off
        self._clock = clock
        self._reader = f"audit:{receiver.name}"
        self._failures = 0
        self._not_before: datetime | None = None

    def work(self) -> bool:
        """Send what waits; tell whether there may be more at once."""
        if self._not_before and self._clock() < self._not_before:
            return False
        with self._database.transaction() as tx:
            seen = place(tx, self._reader, from_the_beginning=True)
        with self._database.transaction(read_only=True) as tx:
            records = audit_trail.after(tx, seen, _AT_ONCE)
        if not records:
            return False
        try:
            self._send(records)
        except OSError as error:
            self._put_off(error)
            return False
        self._failures, self._not_before = 0, None
        with self._database.transaction() as tx:
            move(tx, self._reader, records[-1].record_id)
        return len(records) == _AT_ONCE

    def _send(self, records: Sequence[AuditRecord]) -> None:
        lines = [framed(one, self._receiver.message_id) for one in records]
        place = (self._receiver.host, self._receiver.port)
        if self._receiver.transport == "udp":
            _send_datagrams(place, lines)
        else:
            _send_stream(place, lines, self._receiver.tls)

    def _put_off(self, error: OSError) -> None:
        self._failures += 1
        pause_s = self._back_off.after(self._failures)
        self._not_before = self._clock() + timedelta(seconds=pause_s)
        logger.warning(
            "The audit trail waits for its receiver: %s; again in %.0f s.",
            error.strerror or type(error).__name__,
            pause_s,
            extra={"action": "audit", "destination": self._receiver.name},
        )


def framed(record: AuditRecord, message_id: str) -> bytes:
    """Write one message as RFC 5424 has it."""
    at = record.at.astimezone(UTC).isoformat(timespec="milliseconds")
    host = socket.gethostname() or "-"
    head = (
        f"<{_PRIORITY}>1 {at.replace('+00:00', 'Z')} {host} cxr-node {os.getpid()}"
        f" {message_id} - "
    )
    return head.encode("ascii", "replace") + _BOM + record.message.encode()


def _send_datagrams(place: tuple[str, int], lines: Sequence[bytes]) -> None:
    family = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
    with socket.socket(*family[:2]) as sender:
        sender.connect(family[4])
        for line in lines:
            if len(line) <= _DATAGRAM:
                sender.send(line)


def _send_stream(
    place: tuple[str, int], lines: Sequence[bytes], context: ssl.SSLContext | None
) -> None:
    content = b"".join(b"%d %s" % (len(line), line) for line in lines)
    if context is None:
        raise OSError("no certificates")
    with (
        socket.create_connection(place, _ANSWER_S) as plain,
        context.wrap_socket(plain, server_hostname=place[0]) as stream,
    ):
        stream.sendall(content)
        # The answer to the end of the stream: all before it was read.
        stream.unwrap().close()
