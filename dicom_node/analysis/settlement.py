"""What an image's end leaves behind: stored objects, and who gets which."""

from collections.abc import Sequence
from io import BytesIO

from dicom_node.analysis.past import Past
from dicom_node.analysis.process import Analyzed
from dicom_node.delivery.route import Route
from dicom_node.evidence.encode import EncodedEvidence
from dicom_node.worklist.procedure_step import Settlement
from dicom_node.worklist.result import Json, result
from storage.objects.protocol import ObjectStore
from storage.records import Evidence, Instance, ModelName, NewDelivery, Workitem


class Settlements:
    """Stores results durably and addresses them.

    Parameters
    ----------
    store
        Where their bytes go.
    routes
        Who gets which.
    """

    def __init__(self, store: ObjectStore, routes: Sequence[Route]) -> None:
        self._store = store
        self._routes = tuple(routes)

    @property
    def explains(self) -> bool:
        """Whether anybody wants to know why an image was not analysed."""
        return any(route.not_analysable_report for route in self._routes)

    def of_analysis(
        self, step: Workitem, instance: Instance, analyzed: Analyzed, past: Past
    ) -> Settlement:
        """Settle an analysis: all results, and the numbers for people."""
        evidence = [
            self._stored(step, instance, encoded) for encoded in analyzed.evidence
        ]
        deliveries: list[NewDelivery] = []
        for route in self._routes:
            deliveries += route.deliveries(evidence)
        model, maker = _made_by(analyzed, past)
        numbers = _numbers(analyzed, past)
        return Settlement(evidence, deliveries, numbers, model, maker)

    def of_explanation(
        self, step: Workitem, instance: Instance, encoded: EncodedEvidence
    ) -> tuple[Sequence[Evidence], Sequence[NewDelivery]]:
        """Settle a report that says why there is no result."""
        evidence = self._stored(step, instance, encoded)
        deliveries = [
            NewDelivery(route.destination, evidence.sop_instance_uid, route.required)
            for route in self._routes
            if route.not_analysable_report
        ]
        return [evidence], deliveries

    def _stored(
        self, step: Workitem, instance: Instance, encoded: EncodedEvidence
    ) -> Evidence:
        stored = self._store.put(BytesIO(encoded.content))
        dataset = encoded.dataset
        return Evidence(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            study_instance_uid=instance.study_instance_uid,
            workitem_uid=step.workitem_uid,
            kind=encoded.kind,
            object_key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            created_at=step.started_at or step.scheduled_at,
        )


def _made_by(analyzed: Analyzed, past: Past) -> tuple[ModelName | None, str | None]:
    """Say whose results they are; of a repetition, whose the stored ones are."""
    if past.repeated is not None:
        return past.repeated.workitem.model, past.repeated.workitem.maker
    maker = analyzed.subject.maker
    name = ModelName(maker.model.name, maker.model.version, maker.model.sha256)
    return name, maker.fingerprint


def _numbers(analyzed: Analyzed, past: Past) -> Json:
    """Say what is said; of a repetition, what its stored objects say."""
    if past.repeated is not None:
        return dict(past.repeated.workitem.result or {})
    maker = analyzed.subject.maker
    numbers = result(analyzed.analysis, maker.model)
    numbers |= past.json(analyzed.analysis.severity)
    return numbers | {"maker": maker.fingerprint}
