"""Codes of audit messages: DICOM PS3.16 CID 400, 401 and 402, and RFC 3881."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditCode:
    """A coded value of an audit message."""

    code: str
    meaning: str
    scheme: str = "DCM"


APPLICATION_ACTIVITY = AuditCode("110100", "Application Activity")
INSTANCES_ACCESSED = AuditCode("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = AuditCode("110104", "DICOM Instances Transferred")
PROCEDURE_RECORD = AuditCode("110111", "Procedure Record")
QUERY = AuditCode("110112", "Query")
SECURITY_ALERT = AuditCode("110113", "Security Alert")
USER_AUTHENTICATION = AuditCode("110114", "User Authentication")
AUDIT_LOG_USED = AuditCode("110101", "Audit Log Used")

APPLICATION_START = AuditCode("110120", "Application Start")
APPLICATION_STOP = AuditCode("110121", "Application Stop")
LOGIN = AuditCode("110122", "Login")
LOGOUT = AuditCode("110123", "Logout")
NODE_AUTHENTICATION = AuditCode("110126", "Node Authentication")
SECURITY_CONFIGURATION = AuditCode("110129", "Security Configuration")
SOFTWARE_CONFIGURATION = AuditCode("110131", "Software Configuration")

APPLICATION = AuditCode("110150", "Application")
APPLICATION_LAUNCHER = AuditCode("110151", "Application Launcher")
DESTINATION_ROLE = AuditCode("110152", "Destination Role ID")
SOURCE_ROLE = AuditCode("110153", "Source Role ID")

STUDY_INSTANCE_UID = AuditCode("110180", "Study Instance UID")
SOP_CLASS_UID = AuditCode("110181", "SOP Class UID")
NODE_ID = AuditCode("110182", "Node ID")
PATIENT_NUMBER = AuditCode("2", "Patient Number", "RFC-3881")
URI = AuditCode("12", "URI", "RFC-3881")
