"""What is found in the catalogue -> identifiers of C-FIND responses (PS3.4 C.4.1)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from dicom_node.dataset.forms.description import ANSWERED
from dicom_node.dataset.quiet import quiet
from dicom_node.dimse.retrieval.identifier import (
    LEVELS,
    PATIENT_ATTRIBUTES,
    FindRequest,
    Step,
)
from storage.catalog import counts
from storage.catalog.query import MatchingKey, Query, find
from storage.database import Database, Transaction
from storage.held import Level

PAGE = 200
_UNICODE = "ISO_IR 192"
_COUNTED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
    ),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.INSTANCE: (),
}
"""Answered from what is held below."""


def _tag(keyword: str) -> int:
    return int(tag_for_keyword(keyword) or 0)


def answered_at(step: Step) -> tuple[str, ...]:
    """Name the attributes that are answered at a level, beside those above it."""
    if step is Step.PATIENT:
        return PATIENT_ATTRIBUTES
    level = LEVELS[step]
    return (*ANSWERED[level], *_COUNTED[level])


_ANSWERED: Mapping[Step, frozenset[int]] = {
    step: frozenset(
        _tag(keyword)
        for above in Step
        if above is step or step is not Step.PATIENT
        for keyword in answered_at(above)
        if above is step or keyword in ANSWERED[LEVELS[above]]
        if list(Step).index(above) <= list(Step).index(step)
    )
    for step in Step
}


def is_all_supported(wanted: FindRequest) -> bool:
    """Tell whether every attribute that is asked for exists here."""
    return set(wanted.tags) <= _ANSWERED[wanted.step]


def answers(
    database: Database, wanted: FindRequest, retrieve_ae: str, most: int
) -> Iterator[Dataset]:
    """Find what is wanted, page by page, each in a look of its own.

    Parameters
    ----------
    wanted
        What is asked for.
    retrieve_ae
        Who has it.
    most
        How many matches are looked at.

    Yields
    ------
        An identifier each, never the same twice.
    """
    known: set[tuple[str, ...]] = set()
    for offset in range(0, most, PAGE):
        with database.transaction(read_only=True) as tx:
            page = find(tx, _page(wanted, offset, PAGE))
            found = [
                (key, _attributes(match))
                for match in page.matches
                if (key := _key(wanted.step, match)) not in known
            ]
            _add_counts(tx, wanted, [key for key, _ in found], found)
        for key, attributes in found:
            if key not in known:
                known.add(key)
                yield _identifier(wanted, attributes, retrieve_ae)
        if not page.is_more:
            return


def is_too_broad(database: Database, wanted: FindRequest, most: int) -> bool:
    """Tell whether there are more matches than are looked at."""
    with database.transaction(read_only=True) as tx:
        return bool(find(tx, _page(wanted, most, 1)).matches)


def _page(wanted: FindRequest, offset: int, limit: int) -> Query:
    return replace(wanted.query, offset=offset, limit=limit)


def _key(step: Step, match: MatchingKey) -> tuple[str, ...]:
    """Name what an answer is about."""
    if step is not Step.PATIENT:
        return match.uids
    said = json.loads(match.attributes[Level.STUDY])
    return tuple(
        str(said.get(f"{_tag(keyword):08X}", {}).get("Value"))
        for keyword in ("PatientID", "IssuerOfPatientID")
    )


def _attributes(match: MatchingKey) -> dict[str, Any]:
    """Merge what is known at all levels, in the DICOM JSON Model."""
    found: dict[str, Any] = {}
    for text in match.attributes.values():
        found |= json.loads(text)
    uids = zip(
        ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
        match.uids,
        strict=False,
    )
    for keyword, uid in uids:
        found[f"{_tag(keyword):08X}"] = {"vr": "UI", "Value": [uid]}
    if match.held is not None:
        said = {"vr": "UI", "Value": [match.held.sop_class_uid]}
        found[f"{_tag('SOPClassUID'):08X}"] = said
    return found


def _add_counts(
    tx: Transaction,
    wanted: FindRequest,
    keys: Sequence[tuple[str, ...]],
    found: Sequence[tuple[tuple[str, ...], dict[str, Any]]],
) -> None:
    """Count what is below, where that is asked for."""
    asked = {_tag(one) for one in _COUNTED[wanted.query.level]} & set(wanted.tags)
    if not asked or wanted.step is Step.PATIENT or not keys:
        return
    if wanted.step is Step.STUDY:
        studies = counts.of_studies(tx, [uid for (uid,) in keys])
        for (uid,), attributes in found:
            held = studies[uid]
            values = (
                ("IS", [held.series]),
                ("IS", [held.instances]),
                ("CS", list(held.modalities)),
                ("UI", list(held.sop_classes)),
            )
            _write(attributes, _COUNTED[Level.STUDY], values)
        return
    series = counts.of_series(tx, [(study, uid) for study, uid, *_ in keys])
    for (study, uid, *_), attributes in found:
        _write(
            attributes, _COUNTED[Level.SERIES], [("IS", [series.get((study, uid), 0)])]
        )


def _write(
    attributes: dict[str, Any],
    keywords: Sequence[str],
    values: Sequence[tuple[str, list[Any]]],
) -> None:
    for keyword, (vr, found) in zip(keywords, values, strict=True):
        attributes[f"{_tag(keyword):08X}"] = {"vr": vr, "Value": found}


def _identifier(
    wanted: FindRequest, attributes: Mapping[str, Any], retrieve_ae: str
) -> Dataset:
    """Give what was asked for; what is known to have no value is empty."""
    supported = _ANSWERED[wanted.step]
    chosen = {}
    for tag in wanted.tags:
        if tag in supported:
            name = f"{tag:08X}"
            chosen[name] = attributes.get(name) or {"vr": dictionary_VR(tag)}
    with quiet():
        answer = Dataset.from_json(chosen)
        answer.QueryRetrieveLevel = str(wanted.step)
        answer.RetrieveAETitle = retrieve_ae
        answer.InstanceAvailability = "ONLINE"
    if not json.dumps(chosen, ensure_ascii=False).isascii():
        answer.SpecificCharacterSet = _UNICODE
    return answer
