"""Who makes results, and how a site wants them written: one of each per configuration.

The same image, model and settings give the same UIDs (name-based, PS3.5 B.2), so that
a repeated run yields the same objects.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Self
from uuid import UUID, uuid5

from dicom_node.evidence.kinds import KINDS, EvidenceKind
from inference.manifest import ModelManifest

_NAMESPACE = UUID("6f1c9f0e-3f57-5c0b-9a53-1f1b7f0c2d11")
_UID_LENGTH = 64  # PS3.5 9.1
MANUFACTURER = "CXR Node"
"""Written into every result: what holds it is never analysed."""

# Stands for decisions that nobody recorded; rejection notes are named with it.
_UNRECORDED = "404888426913d9c408a5b11bbd88f3f5a5a598e5d13d4632a338081c1919c7c8"

ViewerGeometry = Literal["compat", "itk", "strict"]
ReportRegions = Literal["outline", "segmentation"]
ImageLevel = Literal["roi", "tid1501"]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model, as results name it; it need not be here any more.

    Parameters
    ----------
    name, version, sha256
        As in its manifest.
    decisions_digest
        Of its thresholds and calibration, where they are known.
    """

    name: str
    version: str
    sha256: str
    decisions_digest: str = _UNRECORDED

    @classmethod
    def of(cls, manifest: ModelManifest) -> Self:
        """Name a model that is at hand."""
        return cls(
            manifest.name, manifest.version, manifest.sha256, manifest.decisions_digest
        )

    @property
    def words(self) -> str:
        """Name, version and digest as people compare them."""
        return f"{self.name} {self.version} (SHA-256 {self.sha256[:12]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The model and the node that results come from.

    Parameters
    ----------
    model
        The model that was run.
    ae_title
        The node's, as Station Name.
    software_version
        Of the node.
    serial_number
        Device Serial Number (0018,1000): identifies this installation.
    settings_digest
        Of every setting that changes a result.
    uid_root
        The site's own UID root, else ``2.25``.
    manufacturer, manufacturer_model_name
        Of the node.
    fingerprint
        Digest of all that results depend on beside the image.
    device_uid
        Device Observer UID of this installation.
    """

    model: ModelIdentity
    ae_title: str
    software_version: str
    serial_number: str
    settings_digest: str = ""
    uid_root: str | None = None
    manufacturer: str = MANUFACTURER
    manufacturer_model_name: str = "CXR Node"
    fingerprint: str = field(init=False, repr=False, compare=False)
    device_uid: str = field(init=False, repr=False, compare=False)
    _name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        model = self.model
        name = (
            f"{model.name}|{model.version}|{model.sha256}|{model.decisions_digest}|"
            f"{self.software_version}|{self.settings_digest}|{self.serial_number}"
        )
        device = f"device|{self.manufacturer}|{self.serial_number}"
        for attribute, value in (
            ("_name", name),
            ("fingerprint", sha256(name.encode()).hexdigest()),
            ("device_uid", _named_uid(self.uid_root, device)),
        ):
            object.__setattr__(self, attribute, value)

    @property
    def product(self) -> str:
        """The node's software by name and version."""
        return f"{self.manufacturer_model_name} {self.software_version}"

    @property
    def creator_name(self) -> str:
        """Content Creator's Name: the software, in the form of a person's name."""
        return f"{self.manufacturer_model_name}^AI"

    def uid(self, source_sop_instance_uid: str, source_sha256: str, what: str) -> str:
        """Name what this image, model and setting give.

        Parameters
        ----------
        source_sop_instance_uid, source_sha256
            The image, and the digest of the very bytes that were analysed.
        what
            What is named: an object by its kind, its series, or a tracked finding.
        """
        name = f"{source_sop_instance_uid}|{source_sha256}|{self._name}|{what}"
        return _named_uid(self.uid_root, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a site wants results written.

    Parameters
    ----------
    viewer_geometry
        ``compat`` adds the planar geometry that viewers need to the SEG, ``itk`` that
        which ITK needs.
    report_regions
        Whether the report's groups hold their outlines or point to the SEGs' frames.
    image_level
        Whether the numbers of the whole film stand in a region of their own.
    series_number_base
        Series Number of the first kind of result; the others follow.
    """

    viewer_geometry: ViewerGeometry = "compat"
    report_regions: ReportRegions = "outline"
    image_level: ImageLevel = "roi"
    series_number_base: int = 9101

    def series_number(self, kind: EvidenceKind) -> int:
        """Series Number of a kind."""
        return self.series_number_base + KINDS[kind].order


def _named_uid(root: str | None, name: str) -> str:
    number = uuid5(_NAMESPACE, name).int
    if root is None:
        return f"2.25.{number}"
    stem = root.rstrip(".") + "."
    return stem + str(number)[: _UID_LENGTH - len(stem)].lstrip("0")
