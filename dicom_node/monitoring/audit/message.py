"""An audit message (DICOM PS3.15 A.5): a value, and its XML."""

import base64
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from xml.etree import ElementTree as ET

from dicom_node.monitoring.audit.codes import (
    PATIENT_NUMBER,
    STUDY_INSTANCE_UID,
    AuditCode,
)


class Action(StrEnum):
    """Event Action Code."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class AuditOutcome(IntEnum):
    """Event Outcome Indicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12


@dataclass(frozen=True, slots=True)
class ActiveParticipant:
    """Somebody who took part.

    Parameters
    ----------
    user_id
        A user's name, an AE title, a process.
    role
        In what part; ``None`` for a person.
    is_requestor
        Whether it began.
    address
        Where it called from, if that is known.
    alternative
        Another name of it: ``AETITLES=…``.
    """

    user_id: str
    role: AuditCode | None = None
    is_requestor: bool = False
    address: str = ""
    alternative: str = ""


@dataclass(frozen=True, slots=True)
class ParticipantObject:
    """What it was about.

    Parameters
    ----------
    object_id, id_type
        Its identifier, and of which kind that is.
    type_code, role_code
        Participant Object Type Code, and Type Code Role.
    query
        What was asked.
    details
        Further values, by type.
    sop_classes
        SOP Class UID -> how many instances.
    """

    object_id: str
    id_type: AuditCode
    type_code: int
    role_code: int
    query: bytes = b""
    details: Mapping[str, str] | None = None
    sop_classes: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """Something that happened, by whom, about what."""

    event: AuditCode
    action: Action
    participants: tuple[ActiveParticipant, ...]
    objects: tuple[ParticipantObject, ...] = ()
    event_type: AuditCode | None = None
    outcome: AuditOutcome = AuditOutcome.SUCCESS
    description: str = ""


def patient(patient_id: str) -> ParticipantObject:
    """Name whose images they are."""
    return ParticipantObject(patient_id, PATIENT_NUMBER, 1, 1)


def study(uid: str, sop_classes: Mapping[str, int]) -> ParticipantObject:
    """Name a study, and what of it."""
    return ParticipantObject(uid, STUDY_INSTANCE_UID, 2, 3, sop_classes=sop_classes)


def to_xml(message: AuditMessage, at: datetime, source_id: str) -> str:
    """Write a message as PS3.15 A.5.1 has it.

    Parameters
    ----------
    source_id
        Who says so: this node.
    """
    root = ET.Element("AuditMessage")
    event = ET.SubElement(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=at.astimezone(UTC).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(int(message.outcome)),
    )
    _coded(event, "EventID", message.event)
    if message.event_type is not None:
        _coded(event, "EventTypeCode", message.event_type)
    if message.description:
        ET.SubElement(event, "EventOutcomeDescription").text = _text(
            message.description
        )
    for one in message.participants:
        _participant(root, one)
    source = ET.SubElement(
        root, "AuditSourceIdentification", AuditSourceID=_text(source_id)
    )
    ET.SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})
    for thing in message.objects:
        _object(root, thing)
    return ET.tostring(root, encoding="unicode")


def _participant(root: ET.Element, one: ActiveParticipant) -> None:
    attributes = {
        "UserID": _text(one.user_id) or "unknown",
        "UserIsRequestor": "true" if one.is_requestor else "false",
    }
    if one.alternative:
        attributes["AlternativeUserID"] = _text(one.alternative)
    if one.address:
        attributes["NetworkAccessPointID"] = _text(one.address)
        attributes["NetworkAccessPointTypeCode"] = "2"
    element = ET.SubElement(root, "ActiveParticipant", attributes)
    if one.role is not None:
        _coded(element, "RoleIDCode", one.role)


def _object(root: ET.Element, thing: ParticipantObject) -> None:
    element = ET.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_text(thing.object_id),
        ParticipantObjectTypeCode=str(thing.type_code),
        ParticipantObjectTypeCodeRole=str(thing.role_code),
    )
    _coded(element, "ParticipantObjectIDTypeCode", thing.id_type)
    if thing.query:
        query = base64.b64encode(thing.query).decode()
        ET.SubElement(element, "ParticipantObjectQuery").text = query
    else:
        name = ET.SubElement(element, "ParticipantObjectName")
        name.text = _text(thing.object_id)
    for kind, value in (thing.details or {}).items():
        coded = base64.b64encode(value.encode()).decode()
        ET.SubElement(element, "ParticipantObjectDetail", type=kind, value=coded)
    if thing.sop_classes:
        described = ET.SubElement(element, "ParticipantObjectDescription")
        for uid, count in thing.sop_classes.items():
            ET.SubElement(
                described, "SOPClass", UID=_text(uid), NumberOfInstances=str(count)
            )


def _coded(parent: ET.Element, name: str, code: AuditCode) -> None:
    ET.SubElement(
        parent,
        name,
        {
            "csd-code": code.code,
            "codeSystemName": code.scheme,
            "originalText": code.meaning,
        },
    )


def _text(foreign: str) -> str:
    """Leave out what XML 1.0 cannot hold: a peer must not break the message."""
    return (
        "".join(
            letter
            for letter in foreign
            if unicodedata.category(letter) not in ("Cc", "Cs")
        )
        .replace("\ufffe", "")
        .replace("\uffff", "")
    )
