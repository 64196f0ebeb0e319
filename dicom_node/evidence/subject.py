"""Who made a result, from which image, and under which UID.

The same image, model and settings give the same UIDs (name-based, PS3.5 B.2), so that
a repeated run yields the same objects. What every result shares with its source and
says about its maker (PS3.3 C.7.1, C.7.2, C.7.5.1, C.12.1) is written in one place.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Literal
from uuid import UUID, uuid5

from highdicom import AlgorithmIdentificationSequence, ContributingEquipment
from pydicom.dataset import Dataset

from dicom_node.dataset import normalise as header
from dicom_node.dataset.character_sets import restore_character_set
from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dataset.repair import UTC_OFFSET
from dicom_node.evidence import codes
from inference.manifest import ModelManifest

_NAMESPACE = UUID("6f1c9f0e-3f57-5c0b-9a53-1f1b7f0c2d11")
DISCLAIMER = "AI result, not for primary diagnosis"
SERIES_ORDER = (
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "presentation-state",
    "secondary-capture",
    "pdf",
    "rejection-note",
)

ViewerGeometry = Literal["compat", "strict"]
ReportRegions = Literal["outline", "segmentation"]
ImageLevel = Literal["roi", "tid1501"]


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """One object in the archive, as other objects point to it (PS3.3 C.17.2.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Prior:
    """What the node said about an earlier film of the same patient.

    Parameters
    ----------
    acquired_at
        When that film was taken, or received when the film does not say.
    total, right, left
        Severity percentages then.
    report, image
        Its measurement report, where it is known, and the film itself.
    model
        Name and version of the model that said so.
    """

    acquired_at: datetime
    total: float
    right: float
    left: float
    report: ObjectReference | None = None
    image: ObjectReference | None = None
    model: str = ""

    @property
    def references(self) -> tuple[ObjectReference, ...]:
        """What a report points to: the film, and what was said of it."""
        return tuple(one for one in (self.image, self.report) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceContext:
    """Everything about the maker and the moment that goes into a result.

    Parameters
    ----------
    manifest
        The model that was run.
    ae_title
        The node's, as Station Name.
    software_version
        Of the node.
    created_at
        Aware; the one moment that stands in all results of an image.
    source_sha256
        Digest of the source object's stored bytes.
    config_digest
        Of every setting that changes a result.
    device_serial_number
        Identifies this installation; the AE title when empty.
    uid_root
        The site's own UID root, else ``2.25``.
    series_number_base
        Series Number of the first kind of result; the others follow.
    viewer_geometry
        ``compat`` adds the planar geometry that viewers need to the SEG.
    report_regions
        Whether the report's groups hold their outlines or point to the SEGs' frames.
    image_level
        Whether the numbers of the whole film stand in a region of their own.
    prior
        The same patient's result before this one, for comparison.
    uncompared
        That result instead, when another model gave it: two models' percentages
        differ by more than the lungs do.
    predecessor
        The report of this same image that this one replaces.
    """

    manifest: ModelManifest
    ae_title: str
    software_version: str
    created_at: datetime
    source_sha256: str
    config_digest: str = ""
    manufacturer: str = "CXR Node"
    model_name: str = "CXR Node"
    device_serial_number: str = ""
    uid_root: str | None = None
    series_number_base: int = 9101
    viewer_geometry: ViewerGeometry = "compat"
    report_regions: ReportRegions = "outline"
    image_level: ImageLevel = "roi"
    prior: Prior | None = None
    uncompared: Prior | None = None
    predecessor: ObjectReference | None = None

    @property
    def serial_number(self) -> str:
        """Device Serial Number (0018,1000), never empty."""
        return self.device_serial_number or self.ae_title

    @property
    def device_uid(self) -> str:
        """Device Observer UID of this installation."""
        return _named_uid(
            self.uid_root, "device", self.manufacturer, self.serial_number
        )

    @property
    def creator_name(self) -> str:
        """Content Creator's Name: the software, in the form of a person's name."""
        return f"{self.model_name}^AI"

    @property
    def fingerprint(self) -> str:
        """Digest of all that results depend on beside the image."""
        return sha256("|".join(self.maker).encode()).hexdigest()

    @property
    def maker(self) -> tuple[str, ...]:
        """Model, thresholds, software, settings and installation: they name UIDs."""
        return (
            self.manifest.name,
            self.manifest.version,
            self.manifest.sha256,
            self.manifest.decisions_digest,
            self.software_version,
            self.config_digest,
            self.serial_number,
        )

    @property
    def model_words(self) -> str:
        """Model name, version and digest as people compare them."""
        model = self.manifest
        return f"{model.name} {model.version} (SHA-256 {model.sha256[:12]})"


def result_uid(
    context: EvidenceContext,
    source_sop_instance_uid: str,
    source_sha256: str,
    kind: str,
) -> str:
    """Name the object of this kind that this image, model and setting give.

    Parameters
    ----------
    context
        Model, software, settings and UID root.
    source_sop_instance_uid, source_sha256
        The image, and the digest of the very bytes that were analysed.
    kind
        What is named: an object, its series, or a tracked finding.
    """
    return _named_uid(
        context.uid_root,
        source_sop_instance_uid,
        source_sha256,
        *context.maker,
        kind,
    )


def _named_uid(root: str | None, *name: str) -> str:
    number = uuid5(_NAMESPACE, "|".join(name)).int
    if root is None:
        return f"2.25.{number}"
    stem = root.rstrip(".") + "."
    # A UID is at most 64 characters (PS3.5 section 9.1).
    return stem + str(number)[: 64 - len(stem)].lstrip("0")


def instance_uid(context: EvidenceContext, clean: Dataset, kind: str) -> str:
    """SOP Instance UID of this image's result of a kind."""
    return result_uid(context, clean.SOPInstanceUID, context.source_sha256, kind)


def series_uid(context: EvidenceContext, clean: Dataset, kind: str) -> str:
    """Series Instance UID: one series per image and kind."""
    return instance_uid(context, clean, f"{kind} series")


def series_number(context: EvidenceContext, kind: str) -> int:
    """Series Number of a kind."""
    return context.series_number_base + SERIES_ORDER.index(kind)


def tracking(context: EvidenceContext, clean: Dataset, what: str) -> tuple[str, str]:
    """Tracking ID and UID that SEG and report share (PS3.3 C.8.20.2.4, TID 1410)."""
    return f"AI {what}", instance_uid(context, clean, f"tracking {what}")


def algorithm(context: EvidenceContext) -> AlgorithmIdentificationSequence:
    """Algorithm Identification Macro (PS3.3 table 10-19)."""
    return AlgorithmIdentificationSequence(
        name=context.manifest.name[:64],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=context.manifest.version[:64],
        source=context.manufacturer,
        parameters={"SHA-256": context.manifest.sha256},
    )


def local_time(source: Dataset, context: EvidenceContext) -> datetime:
    """Tell the moment of creation by the source's clock, else by this machine's."""
    offset = str(source.get("TimezoneOffsetFromUTC", ""))
    if re.fullmatch(UTC_OFFSET, offset) is None:
        return context.created_at.astimezone()
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    delta = timedelta(minutes=-minutes if offset[0] == "-" else minutes)
    return context.created_at.astimezone(timezone(delta))


def finish(
    result: Dataset, source: Dataset, clean: Dataset, context: EvidenceContext
) -> Dataset:
    """Write what all results share, and the source's character set.

    Parameters
    ----------
    result
        A built object; changed in place and returned.
    source, clean
        The image as received, and its normalised header.
    context
        Who and when.
    """
    for keyword in header.PATIENT_AND_STUDY + header.EQUIPMENT:
        if keyword in clean:
            setattr(result, keyword, clean[keyword].value)
    # A document names its request in a sequence of its own (PS3.3 C.17.2).
    requests = clean.get("RequestAttributesSequence")
    if requests and result.Modality not in {"SR", "KO"}:
        result.RequestAttributesSequence = requests
    _timestamps(result, local_time(clean, context))
    result.StationName = context.ae_title
    result.Manufacturer = context.manufacturer
    result.ManufacturerModelName = context.model_name
    result.DeviceSerialNumber = context.serial_number
    result.SoftwareVersions = [
        context.software_version,
        f"{context.manifest.name} {context.manifest.version}"[:64],
    ]
    result.ContributingEquipmentSequence = _equipment(clean, context)
    restore_character_set(result, source)
    result.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    result.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return result


def _timestamps(result: Dataset, moment: datetime) -> None:
    day, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    result.InstanceCreationDate, result.InstanceCreationTime = day, time
    result.SeriesDate, result.SeriesTime = day, time
    for keyword, value in (
        ("ContentDate", day),
        ("ContentTime", time),
        ("DateOfSecondaryCapture", day),
        ("TimeOfSecondaryCapture", time),
        ("PresentationCreationDate", day),
        ("PresentationCreationTime", time),
    ):
        if keyword in result:
            setattr(result, keyword, value)


def _equipment(clean: Dataset, context: EvidenceContext) -> list[Dataset]:
    """Contributing Equipment: what took the film, and this node (CID 7005)."""
    own = ContributingEquipment(
        manufacturer=context.manufacturer,
        purpose_of_reference=codes.PROCESSING_EQUIPMENT,
        manufacturer_model_name=context.model_name,
        software_versions=context.software_version,
        device_serial_number=context.serial_number,
        station_name=context.ae_title,
        contribution_datetime=local_time(clean, context).strftime("%Y%m%d%H%M%S"),
        contribution_description=(
            f"{DISCLAIMER}. Model {context.manifest.name} {context.manifest.version}, "
            f"SHA-256 {context.manifest.sha256}"
        ),
    )
    if not clean.get("Manufacturer"):
        return [own]
    return [ContributingEquipment.for_image_acquisition(clean), own]
