"""The image that results speak of: made once, and asked for UIDs, series and the rest.

What every result shares with its source and says about its maker (PS3.3 C.7.1, C.7.2,
C.7.5.1, C.12.1) is written in one place.
"""

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Self

from pydicom.dataset import Dataset

from dicom_node.dataset import normalise as header
from dicom_node.dataset.acquisition import acquired_at
from dicom_node.dataset.character_sets import restore_character_set
from dicom_node.dataset.film.projection import Projection, projection_of
from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dataset.quiet import quiet
from dicom_node.dataset.repair import UTC_OFFSET
from dicom_node.evidence.equipment import contributing_equipment
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.maker import Maker, Style
from dicom_node.evidence.past import Earlier
from dicom_node.evidence.wording.moments import stamp

_LONG_STRING = 64  # PS3.5 6.2: LO
USUAL_STYLE = Style()
NOTHING_EARLIER = Earlier()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image in front of the node that speaks of it.

    Parameters
    ----------
    source
        Its header as received.
    clean
        The same, every value valid.
    sha256
        Digest of the stored bytes; results are named after it.
    created_at
        Aware; the one moment that stands in all results of an image.
    maker, style
        Who makes the results, and how the site wants them.
    earlier
        What was said before.
    credits_model
        Whether the model had a part in what is said.
    """

    source: Dataset
    clean: Dataset
    sha256: str
    created_at: datetime
    maker: Maker
    style: Style = USUAL_STYLE
    earlier: Earlier = NOTHING_EARLIER
    credits_model: bool = True

    @classmethod
    def of_image(
        cls,
        source: Dataset,
        *,
        sha256: str,
        created_at: datetime,
        maker: Maker,
        style: Style = USUAL_STYLE,
        earlier: Earlier = NOTHING_EARLIER,
    ) -> Self:
        """Take an image as the subject.

        Raises
        ------
        EvidenceInvalid
            Nothing could refer to it.
        """
        with quiet():  # the libraries' remarks on a header quote the patient
            clean = header.normalise(source)
        return cls(
            source=source,
            clean=clean,
            sha256=sha256,
            created_at=created_at,
            maker=maker,
            style=style,
            earlier=earlier,
        )

    @classmethod
    def of_study(
        cls,
        example: Dataset,
        *,
        sha256: str,
        created_at: datetime,
        maker: Maker,
        style: Style = USUAL_STYLE,
    ) -> Self:
        """Take a study as the subject; patient and study come from any object of it.

        Raises
        ------
        EvidenceInvalid
            Nothing could refer to the example.
        """
        with quiet():
            clean = header.cleaned(example)
        # The example may be a result, whose maker acquired nothing.
        clean.Manufacturer = ""
        return cls(
            source=example,
            clean=clean,
            sha256=sha256,
            created_at=created_at,
            maker=maker,
            style=style,
        )

    def apart(self) -> Self:
        """Copy the header, for whoever builds an object from it.

        highdicom puts the header's own elements into what it builds: a value that is
        changed there would change here, and in every object after it.
        """
        return replace(self, clean=deepcopy(self.clean))

    def uid(self, what: str) -> str:
        """SOP Instance UID of this image's result of a kind, or what else is named."""
        return self.maker.uid(self.clean.SOPInstanceUID, self.sha256, what)

    def series(self, kind: EvidenceKind) -> tuple[str, int]:
        """Series Instance UID and Series Number: one series per image and kind."""
        return self.uid(f"{kind} series"), self.series_number(kind)

    def series_number(self, kind: EvidenceKind) -> int:
        """Series Number of a kind; results that replace others stand ten further."""
        return self.style.series_number(kind) + 10 * (self.earlier.revision - 1)

    def series_description(self, what: str) -> str:
        """Series Description: what it is, and what it replaces (64 characters)."""
        revision, made = self.earlier.revision, self.earlier.superseded
        if revision == 1:
            return what
        numbered = f"{what}, no. {revision}"
        if made is None:
            return numbered[:_LONG_STRING]
        return f"{numbered}, replaces {stamp(self.local(made.made_at))}"[:_LONG_STRING]

    def tracking(self, what: str) -> tuple[str, str]:
        """Tracking ID and UID of SEG and report (PS3.3 C.8.20.2.4, TID 1410)."""
        return f"AI {what}", self.uid(f"tracking {what}")

    @property
    def local_time(self) -> datetime:
        """The moment of creation by the source's clock, else by this machine's."""
        return self.local(self.created_at)

    def local(self, moment: datetime) -> datetime:
        """Tell a moment by the source's clock, else by this machine's."""
        offset = str(self.clean.get("TimezoneOffsetFromUTC", ""))
        if re.fullmatch(UTC_OFFSET, offset) is None:
            return moment.astimezone()
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        delta = timedelta(minutes=-minutes if offset[0] == "-" else minutes)
        return moment.astimezone(timezone(delta))

    @property
    def taken_at(self) -> datetime | None:
        """When the film was taken, by its clock; ``None`` where it does not say."""
        moment = acquired_at(self.source)
        return None if moment is None else self.local(moment)

    @property
    def projection(self) -> Projection:
        """How the film was taken."""
        return projection_of(self.source)

    def finish(self, result: Dataset) -> Dataset:
        """Write what all results share, and the source's character set.

        Parameters
        ----------
        result
            A built object; changed in place and returned.
        """
        clean, maker, moment = self.clean, self.maker, self.local_time
        for keyword in header.PATIENT_AND_STUDY + header.EQUIPMENT:
            if keyword in clean:
                setattr(result, keyword, clean[keyword].value)
        # A document names its request in a sequence of its own (PS3.3 C.17.2).
        requests = clean.get("RequestAttributesSequence")
        if requests and result.Modality not in {"SR", "KO"}:
            result.RequestAttributesSequence = requests
        _timestamps(result, moment)
        result.StationName = maker.ae_title
        result.Manufacturer = maker.manufacturer
        result.ManufacturerModelName = maker.manufacturer_model_name
        result.DeviceSerialNumber = maker.serial_number
        model = f"{maker.model.name} {maker.model.version}"[:_LONG_STRING]
        versions = [maker.software_version, model]
        result.SoftwareVersions = versions if self.credits_model else versions[0]
        result.ContributingEquipmentSequence = contributing_equipment(
            clean, maker, moment, credits_model=self.credits_model
        )
        restore_character_set(result, self.source)
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
