"""The DICOM Conformance Statement, written from the tables that the code runs on.

Content follows the template of DICOM PS3.2 Annex N; what is said here about SOP
classes, transfer syntaxes and status codes cannot differ from what is done.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from dicom_node import __version__
from dicom_node import errors as node
from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dimse.presentation import (
    SERVICE_CLASSES,
    STORAGE_CLASSES,
    UNCOMPRESSED,
    VERIFICATION_CLASS,
)
from dicom_node.dimse.status import STATUS, Status
from dicom_node.evidence.kinds import KINDS
from dicom_node.node.settings.dimse import DimseSection
from storage import errors as storage

SENT_CLASSES = tuple(dict.fromkeys(facts.sop_class for facts in KINDS.values()))
"""Results, and the note that calls results back."""

REFUSALS = (
    storage.StoreFull,
    storage.DatabaseUnavailable,
    storage.SchemaOutdated,
    storage.DuplicateInstance,
    node.DatasetInvalid,
    node.DatasetMismatch,
)
"""What an object that is not stored may have run into."""

RECEIVED_STATUSES = (
    ("0000", "Success", "delivered"),
    ("B000, B006, B007", "Warning", "delivered; logged"),
    ("0111", "Duplicate SOP Instance", "delivered: our UIDs are ours alone"),
    ("A700-A7FF, 0213", "Out of resources", "sent again with back-off"),
    ("0122", "SOP class not supported", "the configured fallback object is sent"),
    ("0110, C000-CFFF", "Failure", "sent again twice, then FAILED"),
    ("other", "Failure", "FAILED; an administrator may retry"),
    ("none", "No response, association aborted", "sent again with back-off"),
)


def write() -> str:
    """Write the statement as Markdown."""
    sections = (
        _overview(),
        _associations(),
        _acceptor(),
        _requestor(),
        _statuses(),
        _objects(),
        _security(),
    )
    return "\n\n".join(sections) + "\n"


def _overview() -> str:
    rows = [
        *((_name(uid), uid, "no", "yes") for uid in STORAGE_CLASSES),
        *(
            (_name(uid), uid, "yes", "yes" if uid in STORAGE_CLASSES else "no")
            for uid in SENT_CLASSES
            if uid not in STORAGE_CLASSES
        ),
        (_name(VERIFICATION_CLASS), VERIFICATION_CLASS, "yes", "yes"),
    ]
    head = ("SOP class", "UID", "SCU", "SCP")
    return (
        f"# DICOM Conformance Statement: CXR Node {__version__}\n\n"
        "The node receives chest radiographs, outlines lung opacities, and sends the"
        " results as new objects of the same study. It never changes or forwards an"
        " image. Secondary Capture is received, and sent where a destination is"
        " configured for it. The content follows PS3.2 Annex N.\n\n"
        "## Overview\n\n" + _table(head, rows)
    )


def _associations() -> str:
    defaults = DimseSection()
    rows = [
        ("Application context", "1.2.840.10008.3.1.1.1"),
        ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
        ("Maximum PDU received (default)", f"{defaults.maximum_pdu_bytes} bytes"),
        ("Associations at once (default)", str(defaults.max_associations)),
        ("Asynchronous operations", "not supported"),
        ("Called AE title", "must be ours, unless configured otherwise"),
        ("Calling AE title", "must be a configured peer, unless configured otherwise"),
        ("Association time-out (default)", f"{defaults.association_timeout_s:g} s"),
        ("Message time-out (default)", f"{defaults.message_timeout_s:g} s"),
        ("Network time-out (default)", f"{defaults.network_timeout_s:g} s"),
    ]
    return "## Associations\n\n" + _table(("Item", "Value"), rows)


def _acceptor() -> str:
    parts = ["## Accepted presentation contexts (SCP)"]
    for service, (classes, syntaxes) in SERVICE_CLASSES.items():
        parts.append(
            f"### {service}\n\n"
            + _table(("SOP class", "UID"), [(_name(uid), uid) for uid in classes])
            + "\n\nTransfer syntaxes, most welcome first:\n\n"
            + _table(("Transfer syntax", "UID"), [(_name(s), s) for s in syntaxes])
        )
    parts.append(
        "Objects are stored as they were sent, without conversion or coercion"
        " (level 2 storage). Whether an image is eligible for analysis never changes"
        " the response to C-STORE."
    )
    return "\n\n".join(parts)


def _requestor() -> str:
    classes = [*SENT_CLASSES, VERIFICATION_CLASS]
    syntaxes = ", ".join(_name(uid) for uid in UNCOMPRESSED)
    rows = [(_name(uid), uid, syntaxes) for uid in classes]
    return (
        "## Proposed presentation contexts (SCU)\n\n"
        + _table(("SOP class", "UID", "Transfer syntaxes"), rows)
        + "\n\nOnly the classes of the objects at hand are proposed."
    )


def _statuses() -> str:
    causes: dict[Status, list[str]] = defaultdict(list)
    for error in REFUSALS:
        causes[STATUS[error]].append(_sentence(error))
    causes[Status.PROCESSING_FAILURE].append("Anything else; the log has the details.")
    sent = [
        (f"{status:04X}", _words(status.name), " ".join(causes[status]))
        for status in sorted(causes)
    ]
    received = _table(("Status", "Meaning", "What the node does"), RECEIVED_STATUSES)
    return (
        "## Status codes\n\nSent in C-STORE responses (SCP), beside 0000:\n\n"
        + _table(("Status", "Meaning", "When"), sent)
        + "\n\nReceived in C-STORE responses (SCU):\n\n"
        + received
    )


def _objects() -> str:
    classes = [(kind, facts.sop_class) for kind, facts in KINDS.items()]
    rows = [(kind, _name(uid), uid) for kind, uid in classes]
    return (
        "## Objects created\n\n" + _table(("Kind", "SOP class", "UID"), rows) + "\n\n"
        "* Same Study Instance UID as the image; a new series for each kind and image;"
        " patient and study attributes are copied, never made up. A value that is not"
        " valid for its attribute is mended or left empty; an Accession Number of more"
        " than 16 characters is left empty, never cut. A Patient ID of more than 64"
        " characters or several values, or an invalid UID, gives no results and a job"
        " with that reason.\n"
        "* Each object is checked before it is stored for sending: required attributes,"
        " values, UIDs, references, sizes. One that fails is not sent, nor are the"
        " others of its image; the job says why.\n"
        "* SOP Instance UIDs are derived from the image's UID and digest, the model's"
        " digest, the software version and the settings: the same input gives the same"
        " object. Root 2.25, or the site's own.\n"
        "* Segmentation: BINARY, Rows and Columns of the image, no Frame of Reference."
        ' With `seg.viewer_geometry = "compat"` Plane Position, Plane'
        " Orientation and Pixel Measures are present without a Frame of Reference"
        " (Standard Extended), because viewers need them, with `itk` Plane Position"
        " for all frames at once; `strict` omits them. An image with a plane and a"
        " Frame of Reference of its own gives a Segmentation on that plane. On request"
        " one Label Map Segmentation of findings and lungs.\n"
        "* Structured reports: TID 1500, Completion Flag COMPLETE, Verification Flag"
        " UNVERIFIED, Preliminary Flag PRELIMINARY. The share of lung area covered by"
        " opacity uses the private coding scheme 99CXRNODE, declared in the object."
        " What the film is called is coded: (112001, DCM, Opacity) = Present,"
        " Indeterminate or Absent; the Image Library lists the film and its"
        " Segmentations. The codes: docs/codes.md."
        " Regions are closed polylines, or segments of this image's segmentations"
        ' (`sr.regions = "segmentation"`); the numbers of the whole film stand in a'
        " region around both lungs (TID 1410), or without one (TID 1501, `sr."
        'image_level = "tid1501"`).\n'
        "* A report of a follow-up film holds the change in percentage points and"
        " names the earlier film and its report (Pertinent Other Evidence, or Current"
        " Requested Procedure Evidence within one study). The report of another model"
        " or other settings names the one that it replaces (Predecessor Documents).\n"
        "* Where a destination asks for it, a chest film that cannot be analysed"
        " yields a report with the coded reason in place of measurements.\n"
        "* Rejection notes are Key Object Selections, one per study, titled (113001,"
        ' DCM, "Rejected for Quality Reasons") or (113037, DCM, "Rejected for Patient'
        " Safety Reasons\"), sent when an administrator recalls a model's results.\n"
        "* Character set: as the image where the result can be encoded in it, else"
        " ISO_IR 192."
    )


def _security() -> str:
    return (
        "## Security\n\n"
        "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (TLS 1.2 or"
        " newer, mutual authentication by default) on DIMSE, when certificates are"
        " configured. No patient attribute is written to any log."
    )


def _name(uid: str) -> str:
    return UID(uid).name


def _words(name: str) -> str:
    return (
        name.replace("_", " ").capitalize().replace("Sop", "SOP").replace("sop", "SOP")
    )


def _sentence(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or error.__name__).strip().splitlines()[0].split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in lines)
