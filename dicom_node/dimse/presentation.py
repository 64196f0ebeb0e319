"""What this node negotiates: SOP classes and transfer syntaxes per service class.

The conformance statement is generated from these tables (DICOM PS3.8 7.1.1.13 and
Annex D; PS3.4 A for Verification, B for Storage). A new SOP class is a line here.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    InstanceAvailabilityNotification,
    StorageCommitmentPushModel,
    Verification,
)

from dicom_node.dataset.pixels.jpeg_xl import (
    JPEG_XL,
    JPEG_XL_JPEG_RECOMPRESSION,
    JPEG_XL_LOSSLESS,
)

VERIFICATION_CLASS = UID(Verification)

STORAGE_CLASSES: tuple[UID, ...] = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
"""Images that a modality may send (Storage SCP)."""

UNCOMPRESSED: tuple[UID, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)

TRANSFER_SYNTAXES: tuple[UID, ...] = (
    *UNCOMPRESSED,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG_XL_LOSSLESS,
    JPEGLSNearLossless,
    JPEG2000,
    HTJ2K,
    JPEG_XL,
    JPEG_XL_JPEG_RECOMPRESSION,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)
"""Accepted for storage, most welcome first.

A sender that offers several in one presentation context gets the first of this
list: never a lossy one where it also offers a lossless one.
"""

COMMITMENT_CLASS = UID(StorageCommitmentPushModel)
COMMITMENT_INSTANCE = UID("1.2.840.10008.1.20.1.1")
"""The one instance of Storage Commitment Push Model, PS3.4 J.3.5."""

AVAILABILITY_CLASS = UID(InstanceAvailabilityNotification)
WORKLIST_CLASSES: tuple[UID, ...] = (
    UID("1.2.840.10008.5.1.4.34.6.1"),  # Unified Procedure Step - Push
    UID("1.2.840.10008.5.1.4.34.6.2"),  # - Watch
    UID("1.2.840.10008.5.1.4.34.6.3"),  # - Pull
    UID("1.2.840.10008.5.1.4.34.6.5"),  # - Query
)
"""How others use the worklist (Unified Procedure Step SCP, PS3.4 Annex CC)."""

EVENT_CLASS = UID("1.2.840.10008.5.1.4.34.6.4")
"""Unified Procedure Step - Event: how subscribers are told."""

PATIENT_ROOT_CLASSES: tuple[UID, ...] = (
    UID("1.2.840.10008.5.1.4.1.2.1.1"),  # Patient Root - FIND
    UID("1.2.840.10008.5.1.4.1.2.1.2"),  # - MOVE
    UID("1.2.840.10008.5.1.4.1.2.1.3"),  # - GET
)
STUDY_ROOT_CLASSES: tuple[UID, ...] = (
    UID("1.2.840.10008.5.1.4.1.2.2.1"),  # Study Root - FIND
    UID("1.2.840.10008.5.1.4.1.2.2.2"),  # - MOVE
    UID("1.2.840.10008.5.1.4.1.2.2.3"),  # - GET
)
"""Query/Retrieve Information Models (PS3.4 Annex C): find, move, get."""

SERVICE_CLASSES: Mapping[str, tuple[tuple[UID, ...], tuple[UID, ...]]] = {
    "Verification": ((VERIFICATION_CLASS,), UNCOMPRESSED),
    "Storage": (STORAGE_CLASSES, TRANSFER_SYNTAXES),
    "Storage Commitment": ((COMMITMENT_CLASS,), UNCOMPRESSED),
    "Unified Procedure Step": (WORKLIST_CLASSES, UNCOMPRESSED),
    "Query/Retrieve": ((*PATIENT_ROOT_CLASSES, *STUDY_ROOT_CLASSES), UNCOMPRESSED),
}
"""Service class -> (abstract syntaxes, transfer syntaxes) in the SCP role."""

MAXIMUM_CONTEXTS = 128
"""Presentation context IDs are odd and below 256 (PS3.8 9.3.2.2)."""


def context(
    abstract_syntax: str, transfer_syntaxes: Iterable[str]
) -> PresentationContext:
    """Build one presentation context.

    Parameters
    ----------
    abstract_syntax
        SOP class UID.
    transfer_syntaxes
        UIDs, most welcome first.
    """
    built = PresentationContext()
    built.abstract_syntax = UID(abstract_syntax)
    for syntax in transfer_syntaxes:
        built.add_transfer_syntax(UID(syntax))
    return built


def acceptor_contexts(service_class: str) -> list[PresentationContext]:
    """List what the SCP of a service class accepts."""
    abstract_syntaxes, transfer_syntaxes = SERVICE_CLASSES[service_class]
    return [
        context(abstract_syntax, transfer_syntaxes)
        for abstract_syntax in abstract_syntaxes
    ]


def storage_requestor_contexts(
    objects: Iterable[tuple[str, str]],
) -> list[PresentationContext]:
    """List what a Storage SCU proposes for objects it holds.

    Every (SOP class, transfer syntax) pair gets a context of its own, so that the
    acceptor cannot choose among compressed forms; an uncompressed one may be sent
    in either value representation.

    Parameters
    ----------
    objects
        SOP class UID and transfer syntax UID of each object.

    Returns
    -------
    list
        At most 128 contexts, in the order of the objects.
    """
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for sop_class, syntax in objects:
        if syntax in UNCOMPRESSED:
            for uncompressed in UNCOMPRESSED:
                wanted[sop_class, uncompressed] = (uncompressed,)
        else:
            wanted[sop_class, syntax] = (syntax,)
    built = [context(sop_class, offers) for (sop_class, _), offers in wanted.items()]
    return built[:MAXIMUM_CONTEXTS]


def transfer_syntaxes_of(
    contexts: Sequence[PresentationContext], sop_class_uid: str
) -> dict[str, int]:
    """Map each accepted transfer syntax of a SOP class to its context ID."""
    return {
        str(accepted.transfer_syntax[0]): int(accepted.context_id or 0)
        for accepted in contexts
        if accepted.abstract_syntax == sop_class_uid
    }
