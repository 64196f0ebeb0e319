"""A webhook, signed as Standard Webhooks 1.0 has it."""

import base64
import hmac
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dicom_node.monitoring.notifying.channels.posting import post
from dicom_node.monitoring.notifying.told import ToldNotification


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that takes JSON.

    Parameters
    ----------
    secret
        Shared with the receiver: what follows ``whsec_``, decoded.
    patient_ids
        Whether it is told them.
    clock
        Aware UTC.
    """

    url: str
    secret: bytes
    tls: ssl.SSLContext
    patient_ids: bool
    clock: Callable[[], datetime]

    def tell(self, told: ToldNotification) -> None:
        """POST it; see ``NotificationChannel.tell``."""
        body = json.dumps(
            {
                "type": f"cxr.{told.notification.rule}",
                "timestamp": told.at.isoformat(),
                "data": told.plain(patient_ids=self.patient_ids),
            }
        ).encode()
        at = str(int(self.clock().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": told.key,
            "webhook-timestamp": at,
            "webhook-signature": signature(self.secret, told.key, at, body),
        }
        post(self.url, body, headers, self.tls)


def signature(secret: bytes, key: str, at: str, body: bytes) -> str:
    """Sign a message: HMAC-SHA256 over its key, its time and its body."""
    signed = b".".join((key.encode(), at.encode(), body))
    digest = hmac.digest(secret, signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()
