"""Everything that can go wrong in the node itself, one class per kind of answer.

The tables in ``dimse.status``, ``web.problems`` and ``worklist.retry`` turn them into
a DIMSE status, an HTTP status, or a retry decision.
"""


class NodeError(Exception):
    """Base of every error raised by this package."""


class SettingsInvalid(NodeError):
    """The configuration cannot be used; the message names the key's path."""


class DatasetInvalid(NodeError):
    """The bytes are not a readable DICOM object (DIMSE C000)."""


class DatasetMismatch(NodeError):
    """The data set is not of the class or instance its request names (A900)."""


class PixelsUndecodable(NodeError):
    """The pixel data cannot be turned into a picture; trying again will not help."""


class NotEligible(NodeError):
    """An object that this node does not analyse, with a coded reason.

    Parameters
    ----------
    code
        Short stable identifier, such as ``VIEW_LATERAL``.
    text
        One sentence for an administrator; no patient attribute.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text

    def __reduce__(self) -> tuple[type["NotEligible"], tuple[str, str]]:
        """Keep both words on the way out of a reader's process."""
        return type(self), (self.code, self.text)


class ProcessLost(NodeError):
    """Reading this image alone ended its process, while a good image was read."""


class ReadersUnavailable(NodeError):
    """No process can read images at this moment; no image is to blame."""


class EvidenceInvalid(NodeError):
    """A result object failed its own check and must not be sent."""


class PeerUnreachable(NodeError):
    """No association, no connection, or it broke; the same call may work later."""


class PeerBusy(NodeError):
    """The peer refused for lack of resources (A7xx, 0213); try again later."""


class PeerRefused(NodeError):
    """The peer answered with a failure status that trying again will not change.

    Parameters
    ----------
    status
        DIMSE status code or Failure Reason, or HTTP status.
    text
        What the peer said.
    http
        Whether the status is one of HTTP.
    """

    def __init__(self, status: int, text: str = "", *, http: bool = False) -> None:
        number = f"HTTP status {status}" if http else f"status 0x{status:04X}"
        super().__init__(f"{number} {text}".rstrip())
        self.status = status
        self.text = text


class PeerStumbled(PeerRefused):
    """The peer refused, but perhaps only at this moment; a few more tries will tell."""


class ClassNotAccepted(PeerRefused):
    """The peer does not accept this SOP class; another object may do instead."""


class WorkitemRefused(NodeError):
    """The worklist refuses what was asked of it, for one of its named reasons.

    Parameters
    ----------
    fault
        A member of ``worklist.unified.workitem_rules.Fault``.
    text
        One sentence; no patient attribute.
    """

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text
