"""What is answered about a study, a series or an instance, and how it is written.

DICOM PS3.18 tables 10.6.3-3 to 5 name what is always there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydicom.datadict import tag_for_keyword

from dicom_node.dataset.forms.description import ANSWERED, EVERYWHERE
from dicom_node.dataset.forms.native_model import native_model
from dicom_node.web.dicomweb import multipart_out
from dicom_node.web.dicomweb.accept import DICOM_JSON, DICOM_XML
from storage.catalog import counts
from storage.catalog.query import MatchingKey
from storage.database import Transaction
from storage.held import Level

Attributes = dict[str, Any]
"""In the DICOM JSON Model."""

REQUIRED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        *EVERYWHERE,
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "InstanceAvailability",
        "ModalitiesInStudy",
        "ReferringPhysicianName",
        "RetrieveURL",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        *EVERYWHERE,
        "Modality",
        "SeriesDescription",
        "RetrieveURL",
        "SeriesInstanceUID",
        "SeriesNumber",
        "NumberOfSeriesRelatedInstances",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ),
    Level.INSTANCE: (
        *EVERYWHERE,
        "SOPClassUID",
        "SOPInstanceUID",
        "InstanceAvailability",
        "RetrieveURL",
        "InstanceNumber",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
    ),
}
_LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)


def tag_of(keyword: str) -> str:
    """Name an attribute as JSON does."""
    return f"{tag_for_keyword(keyword) or 0:08X}"


_REQUIRED_TAGS = {
    level: frozenset(map(tag_of, keywords)) for level, keywords in REQUIRED.items()
}
KNOWN_TAGS = frozenset(
    tag_of(keyword)
    for keywords in (*ANSWERED.values(), *REQUIRED.values())
    for keyword in keywords
)
"""What is answered from the catalogue; anything else has to be read."""


def answer(
    match: MatchingKey, root: str, fields: frozenset[str], levels: Sequence[Level]
) -> Attributes:
    """Put an answer together.

    Parameters
    ----------
    match
        What was found.
    root
        The address of the service.
    fields
        Further tags that are wanted.
    levels
        Whose required attributes are answered.
    """
    found: Attributes = {}
    for level, text in match.attributes.items():
        kept = _REQUIRED_TAGS[level] if level in levels else frozenset()
        for tag, attribute in json.loads(text).items():
            if tag in kept or tag in fields or fields is EVERYTHING:
                found[tag] = attribute
    for keyword, uid in zip(
        ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
        match.uids,
        strict=False,
    ):
        found[tag_of(keyword)] = {"vr": "UI", "Value": [uid]}
    if match.held is not None:
        said = {"vr": "UI", "Value": [match.held.sop_class_uid]}
        found[tag_of("SOPClassUID")] = said
    found[tag_of("RetrieveURL")] = {"vr": "UR", "Value": [address(root, *match.uids)]}
    found[tag_of("InstanceAvailability")] = {"vr": "CS", "Value": ["ONLINE"]}
    return found


EVERYTHING: frozenset[str] = frozenset({"everything"})
"""Instead of fields: all that is known."""


def add_counts(
    tx: Transaction, found: Sequence[Attributes], matches: Sequence[MatchingKey]
) -> None:
    """Add to studies and series what they hold."""
    if not matches or len(matches[0].uids) == len(_LEVELS):
        return
    if len(matches[0].uids) == 1:
        studies = counts.of_studies(tx, [match.uids[0] for match in matches])
        for attributes, match in zip(found, matches, strict=True):
            _add_study(attributes, studies[match.uids[0]])
        return
    places = [(match.uids[0], match.uids[1]) for match in matches]
    numbers = counts.of_series(tx, places)
    for attributes, place in zip(found, places, strict=True):
        attributes[tag_of("NumberOfSeriesRelatedInstances")] = _whole(numbers[place])


def _add_study(attributes: Attributes, held: counts.StudyCounts) -> None:
    attributes[tag_of("NumberOfStudyRelatedSeries")] = _whole(held.series)
    attributes[tag_of("NumberOfStudyRelatedInstances")] = _whole(held.instances)
    for keyword, vr, values in (
        ("ModalitiesInStudy", "CS", held.modalities),
        ("SOPClassesInStudy", "UI", held.sop_classes),
    ):
        said: Attributes = {"vr": vr}
        attributes[tag_of(keyword)] = said | ({"Value": list(values)} if values else {})


def _whole(number: int) -> Attributes:
    return {"vr": "IS", "Value": [number]}


def address(root: str, *uids: str) -> str:
    """Say where a study, a series or an instance is retrieved."""
    names = ("studies", "series", "instances")
    return root + "".join(
        f"/{name}/{uid}" for name, uid in zip(names, uids, strict=False)
    )


def written(
    found: Iterable[Attributes], media_type: str, warnings: Sequence[str] = ()
) -> Response:
    """Write data sets in JSON, or each as a part in XML."""
    headers = {}
    if warnings:
        headers["Warning"] = ", ".join(f'299 - "{text}"' for text in warnings)
    if media_type == DICOM_XML:
        parts = [multipart_out.Part(DICOM_XML, native_model(one)) for one in found]
        return multipart_out.response(parts, DICOM_XML, headers)
    ordered = [dict(sorted(one.items())) for one in found]
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), HTTPStatus.OK, headers, DICOM_JSON)
