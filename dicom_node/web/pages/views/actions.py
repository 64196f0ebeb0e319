"""What people do about jobs: asked first, then done, each with its outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from dicom_node.web.pages.face import Face
from dicom_node.web.pages.parts import PageParts
from storage.errors import StorageError

_MOST = 200


class JobAction(StrEnum):
    """What may be done."""

    RETRY = "retry"
    CANCEL = "cancel"
    REPROCESS = "reprocess"


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What became of one job.

    Parameters
    ----------
    address
        Of the job that goes on.
    refusal
        Why nothing was done; ``None`` when it was.
    """

    workitem_uid: str
    address: str
    refusal: str | None


def _own_page(address: str) -> str:
    """Lead back to a page of this node, and nowhere else."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and address.isprintable() else "/worklist"


class ActionForm(BaseModel, extra="ignore"):
    """What a form sends."""

    action: JobAction
    uid: Annotated[list[str], Field(min_length=1, max_length=_MOST)]
    back: Annotated[str, Field(max_length=2000), AfterValidator(_own_page)] = (
        "/worklist"
    )
    confirmed: bool = False


def actions(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)
    steps = parts.steps
    done: Mapping[JobAction, Callable[[str], str | None]] = {
        JobAction.RETRY: steps.retry,
        JobAction.CANCEL: steps.request_cancel,
        JobAction.REPROCESS: steps.reprocess,
    }

    @router.post("/worklist/actions")
    def act(request: Request, form: Annotated[ActionForm, Form()]) -> Response:
        """Ask whether it is meant, or do it and say what became of each job."""
        view = {"active": "worklist", "action": form.action, "back": form.back}
        uids = list(dict.fromkeys(form.uid))
        if not form.confirmed:
            return face.page(request, "confirm.html", view | {"uids": uids})
        outcomes = [_outcome(done[form.action], uid) for uid in uids]
        return face.page(request, "outcome.html", view | {"outcomes": outcomes})

    return router


def _outcome(act: Callable[[str], str | None], uid: str) -> ActionOutcome:
    try:
        following = act(uid) or uid
    except StorageError as error:
        return ActionOutcome(uid, f"/jobs/{uid}", str(error))
    return ActionOutcome(uid, f"/jobs/{following}", None)
