"""FHIR R4: a DiagnosticReport with its Observations, as one transaction."""

import json
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dicom_node.monitoring.notifying.channels.posting import post
from dicom_node.monitoring.notifying.told import ToldNotification
from dicom_node.worklist.result import Result
from inference.findings import Call
from storage.records import Job

Json = dict[str, Any]
_UIDS = "urn:dicom:uid"
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A FHIR server that takes transactions.

    Parameters
    ----------
    url
        Its base.
    token
        Bearer token, or empty.
    """

    url: str
    tls: ssl.SSLContext
    token: str = ""

    def tell(self, told: ToldNotification) -> None:
        """POST it; see ``NotificationChannel.tell``."""
        result = told.result
        if told.job is None or result is None:
            return
        headers = {"Content-Type": "application/fhir+json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(bundle(told.job, result)).encode()
        post(self.url, content, headers, self.tls)


def bundle(job: Job, result: Result) -> Json:
    """Write the transaction; sent again, it makes nothing anew (ifNoneExist)."""
    observations = list(_observations(job, result))
    entries = [_entry(one) for one in observations]
    report = _report(job, [entry["fullUrl"] for entry in entries], result)
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [*entries, _entry(report)],
    }


def _entry(resource: Json) -> Json:
    identifier = resource["identifier"][0]
    kind, value = resource["resourceType"], identifier["value"]
    return {
        "fullUrl": uuid.uuid5(
            uuid.NAMESPACE_URL, f"{identifier['system']} {value}"
        ).urn,
        "resource": resource,
        "request": {
            "method": "POST",
            "url": kind,
            "ifNoneExist": f"identifier={identifier['system']}|{value}",
        },
    }


def _report(job: Job, observations: list[str], result: Result) -> Json:
    total = result.severity.total
    return _about(job, "DiagnosticReport", "report") | {
        "status": "preliminary",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                        "code": "RAD",
                    }
                ]
            }
        ],
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "18748-4",
                    "display": "Diagnostic imaging study",
                }
            ],
            "text": "Opacity on chest radiograph, by software",
        },
        "result": [{"reference": one} for one in observations],
        "conclusion": f"Opacity over {total:.1f} % of the lungs.",
    }


def _observations(job: Job, result: Result) -> Iterator[Json]:
    severity = result.severity
    for key, text, value in (
        ("severity-total", "Opacity, both lungs", severity.total),
        ("severity-right", "Opacity, right lung", severity.right),
        ("severity-left", "Opacity, left lung", severity.left),
    ):
        percent = _quantity(value, "%", "%")
        yield _observation(job, key, text, result) | {"valueQuantity": percent}
    yield _observation(job, "opacity-score", "Probability of opacity", result) | {
        "valueQuantity": _quantity(result.opacity_score, "1", "1")
    }
    for number, one in enumerate(result.findings, 1):
        yield _observation(job, f"finding-{number}", "Opacity", result) | {
            "valueString": f"{one.label}, {one.place}",
            "component": [
                {
                    "code": {"text": "Share of that lung"},
                    "valueQuantity": _quantity(one.percent_of_lung, "%", "%"),
                }
            ],
        }


def _observation(job: Job, key: str, text: str, result: Result) -> Json:
    flag = "N" if result.call is Call.NONE else "A"
    interpretation = {"coding": [{"system": _INTERPRETATION, "code": flag}]}
    return _about(job, "Observation", key) | {
        "status": "preliminary",
        "code": {"text": text},
        "interpretation": [interpretation],
        "derivedFrom": [
            {
                "identifier": {
                    "system": _UIDS,
                    "value": f"urn:oid:{job.instance.study_instance_uid}",
                },
                "type": "ImagingStudy",
            }
        ],
    }


def _about(job: Job, kind: str, key: str) -> Json:
    instance, item = job.instance, job.workitem
    subject = instance.patient_id or "unknown"
    return {
        "resourceType": kind,
        "identifier": [{"system": f"urn:oid:{item.workitem_uid}", "value": key}],
        "subject": {"identifier": {"value": subject}, "type": "Patient"},
        "effectiveDateTime": (instance.acquired_at or instance.received_at).isoformat(),
    }


def _quantity(value: float, unit: str, code: str) -> Json:
    return {
        "value": value,
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": code,
    }
