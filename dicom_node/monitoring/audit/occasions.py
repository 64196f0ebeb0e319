"""What is audited, as messages of PS3.15 A.5.3: one function for each occasion."""

from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.monitoring.audit import codes
from dicom_node.monitoring.audit.message import (
    Action,
    ActiveParticipant,
    AuditMessage,
    AuditOutcome,
    ParticipantObject,
    patient,
    study,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user or an AE title, and from where."""

    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditedStudy:
    """Part of a study of one patient."""

    study_instance_uid: str
    patient_id: str
    sop_classes: Mapping[str, int]


def started(node: str) -> AuditMessage:
    """Say that the node starts (A.5.3.1)."""
    return _activity(node, codes.APPLICATION_START)


def stopped(node: str) -> AuditMessage:
    """Say that the node stops (A.5.3.1)."""
    return _activity(node, codes.APPLICATION_STOP)


def transferred(
    source: Caller, receiver: Caller, about: AuditedStudy, *, received: bool
) -> AuditMessage:
    """Say that instances came or went (A.5.3.7)."""
    return AuditMessage(
        codes.INSTANCES_TRANSFERRED,
        Action.CREATE if received else Action.READ,
        (
            _entity(source, codes.SOURCE_ROLE, is_requestor=True),
            _entity(receiver, codes.DESTINATION_ROLE),
        ),
        _about(about),
    )


def accessed(who: Caller, node: str, about: AuditedStudy) -> AuditMessage:
    """Say that somebody looked at instances (A.5.3.6)."""
    return AuditMessage(
        codes.INSTANCES_ACCESSED,
        Action.READ,
        (_person(who), _entity(Caller(node), codes.APPLICATION)),
        _about(about),
    )


def queried(who: Caller, node: str, service: str, query: str) -> AuditMessage:
    """Say that somebody searched (A.5.3.10).

    Parameters
    ----------
    service
        UID of the information model, or the name of the service.
    query
        What was asked, as it was asked.
    """
    asked = ParticipantObject(
        service, codes.SOP_CLASS_UID, 2, 3, query=query.encode() or b"-"
    )
    return AuditMessage(
        codes.QUERY,
        Action.EXECUTE,
        (
            _entity(who, codes.SOURCE_ROLE, is_requestor=True),
            _entity(Caller(node), codes.DESTINATION_ROLE),
        ),
        (asked,),
    )


def refused(who: Caller, node: str, why: str) -> AuditMessage:
    """Say that somebody was refused for who it is (A.5.3.11)."""
    return _alert(
        codes.NODE_AUTHENTICATION, who, node, why, AuditOutcome.SERIOUS_FAILURE
    )


def configured(who: Caller, node: str, what: str) -> AuditMessage:
    """Say that the configuration was changed (A.5.3.11)."""
    return _alert(codes.SOFTWARE_CONFIGURATION, who, node, what, AuditOutcome.SUCCESS)


def access_changed(who: Caller, node: str, what: str) -> AuditMessage:
    """Say that users, roles or keys were changed (A.5.3.11)."""
    return _alert(codes.SECURITY_CONFIGURATION, who, node, what, AuditOutcome.SUCCESS)


def logged_in(who: Caller, node: str, *, failed: bool = False) -> AuditMessage:
    """Say that somebody logged in, or tried to (A.5.3.12)."""
    return _authentication(codes.LOGIN, who, node, failed=failed)


def logged_out(who: Caller, node: str) -> AuditMessage:
    """Say that somebody logged out (A.5.3.12)."""
    return _authentication(codes.LOGOUT, who, node, failed=False)


def recalled(who: Caller, node: str, about: AuditedStudy) -> AuditMessage:
    """Say that results of a study were called back (A.5.3.9)."""
    return AuditMessage(
        codes.PROCEDURE_RECORD,
        Action.UPDATE,
        (_person(who), _entity(Caller(node), codes.APPLICATION)),
        _about(about),
        description="results recalled",
    )


def trail_read(who: Caller, node: str) -> AuditMessage:
    """Say that somebody read the audit trail (A.5.3.2)."""
    trail = ParticipantObject("audit trail of " + node, codes.URI, 2, 13)
    return AuditMessage(codes.AUDIT_LOG_USED, Action.READ, (_person(who),), (trail,))


def _activity(node: str, which: codes.AuditCode) -> AuditMessage:
    return AuditMessage(
        codes.APPLICATION_ACTIVITY,
        Action.EXECUTE,
        (_entity(Caller(node), codes.APPLICATION),),
        event_type=which,
    )


def _alert(
    kind: codes.AuditCode, who: Caller, node: str, what: str, outcome: AuditOutcome
) -> AuditMessage:
    about = ParticipantObject(
        node, codes.NODE_ID, 2, 13, details={"Alert Description": what}
    )
    reporter = _entity(Caller(node), codes.APPLICATION)
    return AuditMessage(
        codes.SECURITY_ALERT,
        Action.EXECUTE,
        (reporter, _person(who)),
        (about,),
        event_type=kind,
        outcome=outcome,
        description=what,
    )


def _authentication(
    kind: codes.AuditCode, who: Caller, node: str, *, failed: bool
) -> AuditMessage:
    return AuditMessage(
        codes.USER_AUTHENTICATION,
        Action.EXECUTE,
        (_person(who), _entity(Caller(node), codes.APPLICATION)),
        event_type=kind,
        outcome=AuditOutcome.MINOR_FAILURE if failed else AuditOutcome.SUCCESS,
    )


def _entity(
    who: Caller, role: codes.AuditCode, *, is_requestor: bool = False
) -> ActiveParticipant:
    return ActiveParticipant(
        who.name, role, is_requestor, who.address, f"AETITLES={who.name}"
    )


def _person(who: Caller) -> ActiveParticipant:
    return ActiveParticipant(who.name, None, is_requestor=True, address=who.address)


def _about(about: AuditedStudy) -> tuple[ParticipantObject, ...]:
    whole = study(about.study_instance_uid, about.sop_classes)
    return (whole, patient(about.patient_id)) if about.patient_id else (whole,)
