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
from dicom_node.delivery.stow import ANSWERS
from dicom_node.dimse.presentation import (
    AVAILABILITY_CLASS,
    COMMITMENT_CLASS,
    EVENT_CLASS,
    PATIENT_ROOT_CLASSES,
    SERVICE_CLASSES,
    STORAGE_CLASSES,
    STUDY_ROOT_CLASSES,
    UNCOMPRESSED,
    VERIFICATION_CLASS,
    WORKLIST_CLASSES,
)
from dicom_node.dimse.scu.retrieve import PULLED_BY
from dicom_node.dimse.status import STATUS, Status
from dicom_node.evidence.kinds import KINDS
from dicom_node.node.conformance.retrieval import retrieval_section
from dicom_node.node.conformance.worklist import worklist_section
from dicom_node.node.settings.destinations import DeliverySection
from dicom_node.node.settings.dimse import DimseSection
from dicom_node.web.dicomweb.media_types import SYNTAXES
from dicom_node.web.dicomweb.parts import PREFIX
from dicom_node.web.dicomweb.services import SERVICES, WRITTEN_SYNTAXES
from dicom_node.worklist.commitment_requests import REASONS
from storage import errors as storage
from storage.held import ATTRIBUTES, ITEM_ATTRIBUTES, MODALITIES, Kind, Level

SENT_CLASSES = tuple(dict.fromkeys(facts.sop_class for facts in KINDS.values()))
"""Results, and the note that calls results back."""

REFUSALS = (
    storage.StoreFull,
    storage.StoreUnavailable,
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


_CALLED = (
    "must be ours, or one that is configured beside it, unless configured otherwise; a"
    " title may have a priority, rules and destinations of its own"
)
_PRIORITY = "decides the order of analysis, where the title called does not"


def write() -> str:
    """Write the statement as Markdown."""
    sections = (
        _overview(),
        _associations(),
        _acceptor(),
        _requestor(),
        _statuses(),
        _commitment(),
        _store_transactions(),
        _dicomweb(),
        _matching(),
        retrieval_section(),
        worklist_section(),
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
        (_name(COMMITMENT_CLASS), COMMITMENT_CLASS, "yes", "yes"),
        (_name(AVAILABILITY_CLASS), AVAILABILITY_CLASS, "yes", "no"),
        *((_name(uid), uid, "no", "yes") for uid in (*WORKLIST_CLASSES, EVENT_CLASS)),
        *(
            (_name(uid), uid, "yes" if uid in PULLED_BY else "no", "yes")
            for uid in (*PATIENT_ROOT_CLASSES, *STUDY_ROOT_CLASSES)
        ),
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
        ("Called AE title", _CALLED),
        ("Priority of C-STORE requests", _PRIORITY),
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
    classes = [*SENT_CLASSES, VERIFICATION_CLASS, COMMITMENT_CLASS, AVAILABILITY_CLASS]
    syntaxes = ", ".join(_name(uid) for uid in UNCOMPRESSED)
    rows = [(_name(uid), uid, syntaxes) for uid in (*classes, EVENT_CLASS, *PULLED_BY)]
    return (
        "## Proposed presentation contexts (SCU)\n\n"
        + _table(("SOP class", "UID", "Transfer syntaxes"), rows)
        + "\n\nOnly the classes of the objects at hand are proposed. For the UPS Event"
        " class the node proposes itself as SCP (role selection)."
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


def _commitment() -> str:
    section = DeliverySection()
    reasons = [(f"{reason:04X}", _words(reason.name)) for reason in sorted(REASONS)]
    hours, days = section.commitment_report_s / 3600, section.give_up_after_s / 86_400
    return (
        "## Storage Commitment Push Model\n\n"
        "As SCP: an N-ACTION request is answered when it is written down. The"
        " N-EVENT-REPORT follows on the same association; where that ends first, on a"
        " new one, in which the node proposes the SCP role for itself, for"
        f" {days:g} days by default. Committed means that the object is stored durably"
        " and its digest is known; it is kept as the site's retention says. Reasons"
        " given for what is not:\n\n"
        + _table(("Failure Reason", "Meaning"), reasons)
        + "\n\nA Transaction UID that the same SCU used for other objects is refused"
        f" with {Status.PROCESSING_FAILURE:04X}.\n\n"
        "As SCU, where a destination is configured so: the report may come on the"
        " same association or on a new one, with or without role negotiation, under"
        f" the AE title that was asked, within {hours:g} hours by default. Every report"
        " is answered. What failed is sent again; each request has a new Transaction"
        " UID."
    )


def _store_transactions() -> str:
    rows = [
        (str(int(status)), status.phrase, meaning)
        for statuses, meaning in ANSWERS
        for status in sorted(statuses)
    ]
    return (
        "## DICOMweb: Store transaction (user agent)\n\n"
        'Objects are sent as `multipart/related; type="application/dicom"`, several'
        " in one request. Failure and Warning Reasons in the answer, in"
        " `application/dicom+json`, count as the status codes of C-STORE above; of"
        " what it leaves open a Search transaction asks. Status codes:\n\n"
        + _table(("Status", "Meaning", "What the node does"), rows)
    )


def _dicomweb() -> str:
    resources = [
        (one.transaction, one.method, f"{PREFIX}{one.path}", ", ".join(one.media_types))
        for one in SERVICES
    ]
    syntaxes = [(_name(uid), uid) for uid in WRITTEN_SYNTAXES]
    defaults = [
        (kind, ", ".join(map(_name, offered))) for kind, offered in SYNTAXES.items()
    ]
    return (
        "## DICOMweb origin server\n\nOver what the node holds: images within"
        " retention, and results. Whoever may use HTTP may use it.\n\n"
        + _table(("Transaction", "Method", "Resource", "Media types"), resources)
        + "\n\nWritten transfer syntaxes, beside the stored one"
        " (`transfer-syntax=*`); without a word Explicit VR Little Endian. Grey frames"
        " of 8 and 16 bits are compressed and decompressed, never with loss; where a"
        " frame cannot be converted, 406 is answered unless any form will do.\n\n"
        + _table(("Transfer syntax", "UID"), syntaxes)
        + "\n\nFrames:\n\n"
        + _table(("Media type", "Transfer syntaxes, the default first"), defaults)
        + "\n\n* Store: SOP classes and transfer syntaxes as for C-STORE; each object"
        " is durable before the answer. 200, 202 and 409 with Referenced SOP, Failed"
        " SOP and Other Failures Sequences; Failure Reasons as the statuses of C-STORE,"
        " and C122 for a transfer syntax. 400 for a malformed body, 413 for one that is"
        " too long, 415 for another media type, 503 where there is no room for any"
        " object.\n"
        "* Search: `includefield` and `all`, `limit`, `offset`; a Warning header says"
        " that there is more, that `fuzzymatching` was not done, and which attributes"
        " were not matched. No match is 200 with an empty list.\n"
        "* Retrieve: entity tags and If-None-Match; frame lists such as 1,3,5-7;"
        " `accept` as a query parameter.\n"
        "* Rendered: `window`, `viewport`, `quality`. Segmentations are coloured and"
        " presentation states drawn over their image, where it is held."
    )


def _matching() -> str:
    rows = [
        (keyword, attribute.level, attribute.kind)
        for keyword, attribute in ATTRIBUTES.items()
    ]
    rows += [
        (".".join(path), attribute.level, attribute.kind)
        for path, attribute in ITEM_ATTRIBUTES.items()
    ]
    rows.append((MODALITIES, Level.STUDY, Kind.TEXT))
    return (
        "### Attributes that are matched\n\nA key may name an attribute of its own"
        " level and of those above; every one is indexed.\n\n"
        + _table(("Attribute", "Level", "Matching"), rows)
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
