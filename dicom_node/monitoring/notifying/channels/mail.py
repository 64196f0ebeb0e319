"""E-mail by SMTP, over TLS."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from dicom_node.errors import PeerUnreachable
from dicom_node.monitoring.notifying import rules
from dicom_node.monitoring.notifying.told import ToldNotification

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and who gets mail.

    Parameters
    ----------
    security
        TLS from the start, after STARTTLS, or, on this machine, none.
    username, password
        Where the server asks for them.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    tls: ssl.SSLContext
    sender: str
    recipients: tuple[str, ...]
    patient_ids: bool
    username: str = ""
    password: str = ""

    def tell(self, told: ToldNotification) -> None:
        """Send it; see ``NotificationChannel.tell``."""
        try:
            with self._server() as server:
                if self.security == "starttls":
                    server.starttls(context=self.tls)
                if self.username:
                    server.login(self.username, self.password)
                server.send_message(self._message(told))
        except (smtplib.SMTPException, OSError) as error:
            # Mail servers mean even most of their 5xx for the moment.
            raise PeerUnreachable(
                f"the mail server did not take it ({type(error).__name__})"
            ) from error

    def _server(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(
                self.host, self.port, timeout=_PATIENCE_S, context=self.tls
            )
        return smtplib.SMTP(self.host, self.port, timeout=_PATIENCE_S)

    def _message(self, told: ToldNotification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"CXR Node: {_subject(told)}"
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = format_datetime(told.at)
        message["Message-ID"] = f"<{told.key}@cxr-node.invalid>"
        lines = [
            f"{name.replace('_', ' ')}: {_words(value)}"
            for name, value in told.plain(patient_ids=self.patient_ids).items()
        ]
        message.set_content("\n".join(lines) + "\n")
        return message


def _subject(told: ToldNotification) -> str:
    content = told.notification.content
    match told.notification.rule:
        case rules.RESULT:
            return f"opacity over {content['severity_percent']:.1f} % of the lungs"
        case rules.FAILED:
            return f"a job failed ({content['code']})"
        case rules.LATE:
            return f"a job is late ({content['stage']})"
        case _:
            return f"results wait for {content['destination']}"


def _words(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(words.split())
