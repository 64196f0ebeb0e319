"""A job: the film with its outlines, what was said, every step, and what to do next."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from dicom_node.evidence.kinds import KINDS, EvidenceKind
from dicom_node.web.pages.drawing.lungs import lungs
from dicom_node.web.pages.face import Face, safe
from dicom_node.web.pages.parts import PageParts
from dicom_node.web.pages.texts import Texts
from dicom_node.web.pages.views.actions import JobAction
from dicom_node.web.pages.views.timeline import timeline
from dicom_node.web.pages.views.words import reason_words
from dicom_node.worklist.result import Result, recorded
from storage.catalog.films import ArrivedFilm, film_of, patient_name
from storage.errors import UnknownRecord
from storage.records import InstanceState, Job, ProcedureStepState, Stage
from storage.states import MEANINGS

_BROKEN = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a record may end with that somebody has damaged."""
_PICTURED = (
    EvidenceKind.SECONDARY_CAPTURE,
    EvidenceKind.PDF,
    EvidenceKind.PRESENTATION_STATE,
    EvidenceKind.SEGMENTATION,
    EvidenceKind.LUNG_SEGMENTATION,
)


def job(parts: PageParts, face: Face) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/jobs/{workitem_uid}")
    def show(request: Request, workitem_uid: str) -> Response:
        """Show one job."""
        view = _view(parts, parts.steps.job(workitem_uid))
        return face.page(request, "job.html", view)

    @router.get("/films/{sop_instance_uid}")
    def show_film(request: Request, sop_instance_uid: str) -> Response:
        """Show a film that is no job; lead to the job of any other."""
        with parts.database.transaction(read_only=True) as tx:
            found = film_of(tx, sop_instance_uid)
        if found is None:
            raise UnknownRecord(parts.texts("job.no_film"))
        if found.workitem_uid is not None:
            see = f"/jobs/{found.workitem_uid}"
            return RedirectResponse(see, HTTPStatus.SEE_OTHER)
        return face.page(request, "film.html", _film_view(parts, found))

    return router


def _view(parts: PageParts, shown: Job) -> dict[str, Any]:
    workitem, instance = shown.workitem, shown.instance
    said, broken = _said(shown)
    names = parts.site().show_names
    prior = None
    with parts.database.transaction(read_only=True) as tx:
        name = patient_name(tx, instance.study_instance_uid) if names else ""
        if said is not None and said.prior is not None and said.prior.image is not None:
            prior = film_of(tx, said.prior.image.sop_instance_uid)
    kinds = {one.kind for one in shown.evidence if one.object_removed_at is None}
    return {
        "active": "worklist",
        "job": shown,
        "name": name,
        "said": said,
        "broken": broken,
        "prior": prior,
        "has_opacities": EvidenceKind.SEGMENTATION in kinds,
        "has_lungs": EvidenceKind.LUNG_SEGMENTATION in kinds,
        "diagram": _diagram(said, parts.texts) if said else "",
        "timeline": timeline(shown, parts.texts),
        "reason": reason_words(parts.texts, workitem.reason)
        if workitem.reason
        else None,
        "standing": MEANINGS[shown.visible_state],
        "objects": _objects(shown),
        "rendered": parts.site().rendered,
        "actions": _possible(shown),
    }


def _said(shown: Job) -> tuple[Result | None, bool]:
    """Read what was said; a record that cannot be read is told, not passed on."""
    try:
        return recorded(shown.workitem), False
    except _BROKEN:
        return None, True


def _diagram(said: Result, t: Texts) -> str:
    label = t(
        "job.diagram",
        right=f"{said.severity.right:.0f}",
        left=f"{said.severity.left:.0f}",
    )
    return safe(
        lungs(
            said.severity.zones,
            label,
            lambda zone: t(f"zone.{zone.value.replace(' ', '_')}"),
        )
    )


def _objects(shown: Job) -> list[dict[str, Any]]:
    titles = {str(kind): facts.title for kind, facts in KINDS.items()}
    return [
        {
            "stored": one,
            "title": titles.get(one.kind, one.kind),
            "is_pictured": one.kind in _PICTURED,
        }
        for one in shown.evidence
    ]


def _possible(shown: Job) -> list[JobAction]:
    """Offer what the worklist would not refuse."""
    workitem = shown.workitem
    if workitem.replaced_by is not None:
        return []
    if workitem.stage not in (Stage.DONE, Stage.CANCELED):
        return [] if workitem.cancel_requested else [JobAction.CANCEL]
    offered = []
    is_canceled = workitem.state is ProcedureStepState.CANCELED
    if is_canceled or shown.visible_state is InstanceState.COMMITMENT_FAILED:
        offered.append(JobAction.RETRY)
    if workitem.state is ProcedureStepState.COMPLETED:
        offered.append(JobAction.REPROCESS)
    return offered


def _film_view(parts: PageParts, found: ArrivedFilm) -> dict[str, Any]:
    return {
        "active": "worklist",
        "film": found,
        "reason": reason_words(parts.texts, found.reason) if found.reason else None,
        "standing": MEANINGS[found.state],
    }
