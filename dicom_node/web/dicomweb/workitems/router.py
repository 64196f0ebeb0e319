"""``/dicom-web/workitems``: the worklist over HTTP (DICOM PS3.18 section 11).

What is asked is the worklist's to answer; here it is read and told in HTTP's words. One
archive puts the asker's AE title behind ``state`` and ``cancelrequest``: that is
understood, too.
"""

import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from pydicom.dataset import Dataset

from dicom_node.errors import WorkitemRefused
from dicom_node.web.dicomweb.workitems import answers, requests
from dicom_node.worklist.unified.subscription import Wish
from dicom_node.worklist.unified.unified_worklist import UnifiedWorklist
from dicom_node.worklist.unified.workitem_rules import Fault, refuse, wanted_state
from storage.worklist.pushed import FILTERED
from storage.worklist.subscriptions import Channel

logger = logging.getLogger(__name__)
_SOMEBODY = "UPS-RS"
_LITERAL = (
    "The fuzzymatching parameter is not supported. Only literal matching has been"
    " performed."
)
_MORE = "There are additional results that can be requested."

Body = Annotated[bytes, Depends(requests.body)]


class _Route(APIRoute):
    """Answers what the worklist refuses, with one line in the log."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except WorkitemRefused as refusal:
                logger.warning(
                    "Refused a request of the worklist: %s",
                    Fault(refusal.fault),
                    extra={"action": "refuse"},
                )
                is_update = self.name == "update_workitem"
                return answers.refused(request, refusal, is_update=is_update)

        return handle


def workitems(worklist: UnifiedWorklist) -> APIRouter:
    """Make the routes."""
    router = APIRouter(
        prefix="/dicom-web/workitems", route_class=_Route, include_in_schema=False
    )
    _add_workitems(router, worklist)
    _add_changes(router, worklist)
    _add_subscribers(router, worklist)
    return router


def _add_workitems(router: APIRouter, worklist: UnifiedWorklist) -> None:
    @router.post("", status_code=HTTPStatus.CREATED)
    def create_workitem(request: Request, sent: Body) -> Response:
        """Create a Workitem; its UID is a parameter, in the body, or the node's."""
        content, named = requests.content(request, sent)
        uid = requests.uid_parameter(request, requests.WORKITEM, named)
        outcome = worklist.create(uid, content, _SOMEBODY)
        place = f"{answers.base(request)}/workitems/{outcome.workitem_uid}"
        return answers.granted(
            request, outcome.notices, HTTPStatus.CREATED, {"Location": place}
        )

    @router.get("")
    def search_workitems(request: Request) -> Response:
        """Search for Workitems by any attribute."""
        requests.check_accept(request)
        limit, offset = requests.window(request)
        matched = worklist.search(requests.query_keys(request))
        found = list(islice(matched, offset, offset + limit + 1))
        said = []
        if len(found) > limit:
            said.append(_MORE)
        if request.query_params.get("fuzzymatching", "").lower() == "true":
            said.append(_LITERAL)
        headers = answers.warning(request, *said)
        if not found:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
        return answers.datasets(found[:limit], headers)

    @router.get("/{workitem_uid}")
    def retrieve_workitem(request: Request, workitem_uid: str) -> Response:
        """Retrieve a Workitem, without its Transaction UID."""
        requests.check_accept(request)
        return answers.datasets([worklist.retrieve(workitem_uid)], {})


def _add_changes(router: APIRouter, worklist: UnifiedWorklist) -> None:
    @router.post("/{workitem_uid}")
    def update_workitem(request: Request, workitem_uid: str, sent: Body) -> Response:
        """Update a Workitem; one that is claimed, under its Transaction UID."""
        changes, _ = requests.content(request, sent)
        given = str(changes.get("TransactionUID") or "")
        uid = requests.uid_parameter(request, requests.TRANSACTION, given)
        outcome = worklist.update(workitem_uid, changes, uid)
        return answers.granted(request, outcome.notices)

    @router.put("/{workitem_uid}/state")
    @router.put("/{workitem_uid}/state/{requester}", include_in_schema=False)
    def change_state(
        request: Request, workitem_uid: str, sent: Body, requester: str = _SOMEBODY
    ) -> Response:
        """Claim, complete or cancel a Workitem."""
        content, _ = requests.content(request, sent)
        given = str(content.get("TransactionUID") or "")
        uid = requests.uid_parameter(request, requests.TRANSACTION, given)
        if not content.get("ProcedureStepState"):
            raise refuse(Fault.MISSING_ATTRIBUTE, "ProcedureStepState")
        wanted = wanted_state(str(content.ProcedureStepState))
        asker = requests.ae_title(requester)
        outcome = worklist.change_state(workitem_uid, wanted, uid, asker)
        return answers.granted(request, outcome.notices)

    @router.post("/{workitem_uid}/cancelrequest", status_code=HTTPStatus.ACCEPTED)
    @router.post(
        "/{workitem_uid}/cancelrequest/{requester}",
        status_code=HTTPStatus.ACCEPTED,
        include_in_schema=False,
    )
    def request_cancel(
        request: Request, workitem_uid: str, sent: Body, requester: str = _SOMEBODY
    ) -> Response:
        """Ask for a Workitem to be canceled."""
        why = requests.optional_content(request, sent)
        asker = requests.ae_title(requester)
        outcome = worklist.request_cancel(workitem_uid, why, asker)
        return answers.granted(request, outcome.notices, HTTPStatus.ACCEPTED)


def _add_subscribers(router: APIRouter, worklist: UnifiedWorklist) -> None:
    place = "/{workitem_uid}/subscribers/{ae_title}"

    @router.post(place, status_code=HTTPStatus.CREATED)
    def subscribe(request: Request, workitem_uid: str, ae_title: str) -> Response:
        """Subscribe to a Workitem, the worklist, or the filtered worklist."""
        title = requests.ae_title(ae_title)
        wish = Wish(
            title,
            workitem_uid,
            Channel.WEB_SOCKET,
            deletion_lock=_is_true(request, "deletionlock"),
            keys=_keys(request, workitem_uid),
        )
        outcome = worklist.subscribe(wish)
        scheme, _, rest = answers.base(request).partition("://")
        secure = "wss" if scheme == "https" else "ws"
        headers = {"Content-Location": f"{secure}://{rest}/subscribers/{title}"}
        return answers.granted(request, outcome.notices, HTTPStatus.CREATED, headers)

    @router.delete(place)
    def unsubscribe(request: Request, workitem_uid: str, ae_title: str) -> Response:
        """Unsubscribe; from the worklist means from everything."""
        outcome = worklist.unsubscribe(requests.ae_title(ae_title), workitem_uid)
        return answers.granted(request, outcome.notices)

    @router.post(f"{place}/suspend")
    def suspend(request: Request, workitem_uid: str, ae_title: str) -> Response:
        """Hear of no Workitem that is created from now on."""
        outcome = worklist.suspend(requests.ae_title(ae_title), workitem_uid)
        return answers.granted(request, outcome.notices)


def _keys(request: Request, workitem_uid: str) -> Dataset | None:
    return requests.filter_keys(request) if workitem_uid == FILTERED else None


def _is_true(request: Request, name: str) -> bool:
    values = [
        value.lower()
        for key, value in request.query_params.multi_items()
        if key.lower() == name
    ]
    if any(value not in ("true", "false", "") for value in values):
        raise refuse(Fault.INVALID_VALUE, name)
    return "true" in values
