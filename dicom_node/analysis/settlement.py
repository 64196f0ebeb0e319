"""What an image's end leaves behind: stored objects, and who gets which."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO

from dicom_node.analysis.past import Past
from dicom_node.analysis.process import Analyzed
from dicom_node.dataset.forms.description import describe
from dicom_node.delivery.route import Route
from dicom_node.evidence.encode import EncodedEvidence
from dicom_node.worklist.procedure_step import Settlement
from dicom_node.worklist.result import Result, model_name
from dicom_node.worklist.titles import NO_TITLES, Titles
from storage.objects.protocol import ObjectStore
from storage.records import Evidence, Instance, NewDelivery, Workitem


class Settlements:
    """Stores results durably and addresses them.

    Parameters
    ----------
    store
        Where their bytes go.
    routes, titles
        Who gets which, and of which images.
    """

    def __init__(
        self, store: ObjectStore, routes: Sequence[Route], titles: Titles = NO_TITLES
    ) -> None:
        self._store = store
        self._titles = titles
        self._routes = tuple(routes)
        self._wanted_bytes = 0

    @property
    def explains(self) -> bool:
        """Whether anybody wants to know why an image was not analysed."""
        return any(route.not_analysable_report for route in self._routes)

    @property
    def has_room(self) -> bool:
        """Whether what found no room last would find it now.

        The model does not run for results that nobody can keep.
        """
        return self._store.room_bytes() >= self._wanted_bytes

    def of_analysis(
        self, workitem: Workitem, instance: Instance, analyzed: Analyzed, past: Past
    ) -> Settlement:
        """Settle an analysis: all results, and the numbers for people.

        Raises
        ------
        StoreFull
            There is no room; :attr:`has_room` tells when it is worth another try.
        """
        self._wanted_bytes = sum(len(each.content) for each in analyzed.evidence)
        evidence = [
            self._stored(workitem, instance, encoded) for encoded in analyzed.evidence
        ]
        self._wanted_bytes = 0
        failed = {one.kind for one in analyzed.failed}
        deliveries: list[NewDelivery] = []
        for route in self._for(instance):
            deliveries += route.deliveries(evidence, failed)
        return _settlement(evidence, deliveries, analyzed, past)

    def of_explanation(
        self, workitem: Workitem, instance: Instance, encoded: EncodedEvidence
    ) -> tuple[Sequence[Evidence], Sequence[NewDelivery]]:
        """Settle a report that says why there is no result."""
        evidence = self._stored(workitem, instance, encoded)
        deliveries = [
            route.delivery(evidence)
            for route in self._for(instance)
            if route.not_analysable_report
        ]
        return [evidence], deliveries

    def _for(self, instance: Instance) -> Iterator[Route]:
        """Pick the receivers that get results of what was sent to a title."""
        title = self._titles.get(instance.called_ae)
        if title is None:
            return iter(self._routes)
        return (one for one in self._routes if title.sends_to(one.destination))

    def _stored(
        self, workitem: Workitem, instance: Instance, encoded: EncodedEvidence
    ) -> Evidence:
        stored = self._store.put(BytesIO(encoded.content))
        dataset = encoded.dataset
        return Evidence(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            study_instance_uid=instance.study_instance_uid,
            workitem_uid=workitem.workitem_uid,
            kind=encoded.kind,
            object_key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            created_at=workitem.started_at or workitem.scheduled_at,
            description=describe(dataset, str(dataset.file_meta.TransferSyntaxUID)),
        )


def _settlement(
    evidence: Sequence[Evidence],
    deliveries: Sequence[NewDelivery],
    analyzed: Analyzed,
    past: Past,
) -> Settlement:
    """Say what is said; of a repetition, what its stored objects say."""
    if past.repeated is not None:
        first = past.repeated.workitem
        return Settlement(
            evidence, deliveries, first.result or {}, first.model, first.maker
        )
    maker = analyzed.subject.maker
    said = Result.of(
        analyzed.analysis,
        model_name(maker.model),
        past.earlier_film(analyzed.analysis),
        past.predecessor.sop_instance_uid if past.predecessor else None,
        analyzed.failed,
    )
    said = replace(
        said, view=analyzed.subject.projection.words, other_films=past.other_films
    )
    return Settlement(
        evidence, deliveries, said.to_json(), said.model, maker.fingerprint
    )
