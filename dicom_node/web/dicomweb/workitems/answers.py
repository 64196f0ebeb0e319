"""What a Fault or a Notice of the worklist is over HTTP (DICOM PS3.18 section 11)."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fastapi import Request, Response
from pydicom.dataset import Dataset

from dicom_node.errors import WorkitemRefused
from dicom_node.web.problems import problem
from dicom_node.worklist.unified.workitem_content import to_json
from dicom_node.worklist.unified.workitem_rules import Fault, Notice

JSON = "application/dicom+json"

STATUS: Mapping[Fault, HTTPStatus] = {
    Fault.NO_SUCH_WORKITEM: HTTPStatus.NOT_FOUND,
    Fault.NO_SUBSCRIPTION: HTTPStatus.NOT_FOUND,
    Fault.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    Fault.NOT_SCHEDULED: HTTPStatus.BAD_REQUEST,
    Fault.MISSING_ATTRIBUTE: HTTPStatus.BAD_REQUEST,
    Fault.MISSING_VALUE: HTTPStatus.BAD_REQUEST,
    Fault.INVALID_VALUE: HTTPStatus.BAD_REQUEST,
    Fault.NOT_ALLOWED: HTTPStatus.BAD_REQUEST,
    Fault.INVALID_UID: HTTPStatus.BAD_REQUEST,
    Fault.INVALID_KEYS: HTTPStatus.BAD_REQUEST,
    Fault.TOO_BROAD: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Fault.MISSING_TRANSACTION: HTTPStatus.BAD_REQUEST,
    Fault.WRONG_TRANSACTION: HTTPStatus.BAD_REQUEST,
    Fault.ALREADY_IN_PROGRESS: HTTPStatus.CONFLICT,
    Fault.NOT_IN_PROGRESS: HTTPStatus.CONFLICT,
    Fault.SCHEDULED_BY_CREATION: HTTPStatus.BAD_REQUEST,
    Fault.ENDED: HTTPStatus.CONFLICT,
    Fault.FINAL_STATE_UNMET: HTTPStatus.CONFLICT,
    Fault.ALREADY_COMPLETED: HTTPStatus.CONFLICT,
    Fault.PERFORMER_UNREACHABLE: HTTPStatus.CONFLICT,
    Fault.UNKNOWN_RECEIVER: HTTPStatus.FORBIDDEN,
    Fault.NOT_APPROPRIATE: HTTPStatus.BAD_REQUEST,
    Fault.NO_SUCH_ACTION: HTTPStatus.BAD_REQUEST,
    Fault.NOT_AUTHORISED: HTTPStatus.FORBIDDEN,
}
"""Every Fault -> the status of its answer."""

OF_UPDATES: Mapping[Fault, HTTPStatus] = {Fault.ENDED: HTTPStatus.BAD_REQUEST}
"""What an update is answered otherwise (11.6.2)."""

WARNINGS: Mapping[Fault, str] = {
    Fault.MISSING_TRANSACTION: "The Transaction UID is missing.",
    Fault.WRONG_TRANSACTION: "The Transaction UID is incorrect.",
    Fault.ALREADY_IN_PROGRESS: "The submitted request is inconsistent with the state"
    " of the UPS Instance.",
    Fault.NOT_IN_PROGRESS: "The target URI did not reference a claimed Workitem.",
    Fault.ENDED: "The submitted request is inconsistent with the current state of the"
    " Workitem.",
    Fault.FINAL_STATE_UNMET: "The submitted request is inconsistent with the state of"
    " the UPS Instance.",
    Fault.ALREADY_COMPLETED: str(Notice.ALREADY_COMPLETED),
}
"""The words of PS3.18 for some; for the others, those of the Fault."""


def base(request: Request) -> str:
    """Say where the service is, as the client sees it."""
    return f"{str(request.base_url).rstrip('/')}/dicom-web"


def warning(request: Request, *texts: str) -> dict[str, str]:
    """Write a Warning header of one or several sentences."""
    named = [f"299 {base(request)}: {text}" for text in texts]
    return {"Warning": ", ".join(named)} if named else {}


def refused(
    request: Request, error: WorkitemRefused, *, is_update: bool = False
) -> Response:
    """Answer what the worklist refuses."""
    fault = Fault(error.fault)
    status = (OF_UPDATES if is_update else STATUS).get(fault) or STATUS[fault]
    answer = problem(status, error.text)
    answer.headers.update(warning(request, WARNINGS.get(fault, str(fault))))
    return answer


def granted(
    request: Request,
    notices: Iterable[Notice],
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer what the worklist grants; there is no body."""
    said = warning(request, *map(str, notices))
    return Response(status_code=status, headers={**(headers or {}), **said})


def datasets(found: Iterable[Dataset], headers: Mapping[str, str]) -> Response:
    """Answer with data sets (PS3.18 F.2)."""
    body = json.dumps([to_json(one) for one in found], ensure_ascii=False)
    return Response(body.encode(), media_type=JSON, headers=dict(headers))
