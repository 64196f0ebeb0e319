"""Error -> HTTP status, and the body that says so (RFC 9457 problem details)."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse

from dicom_node import errors as node
from inference import errors as inference
from storage import errors as storage

STATUS: Mapping[type[Exception], HTTPStatus] = {
    storage.StoreFull: HTTPStatus.INSUFFICIENT_STORAGE,
    storage.ObjectMissing: HTTPStatus.GONE,
    storage.ObjectCorrupt: HTTPStatus.INTERNAL_SERVER_ERROR,
    storage.DuplicateInstance: HTTPStatus.CONFLICT,
    storage.UnknownRecord: HTTPStatus.NOT_FOUND,
    storage.CursorInvalid: HTTPStatus.BAD_REQUEST,
    storage.TransitionRefused: HTTPStatus.CONFLICT,
    storage.LeaseLost: HTTPStatus.CONFLICT,
    storage.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    storage.SchemaOutdated: HTTPStatus.SERVICE_UNAVAILABLE,
    inference.ManifestInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
    inference.ModelNotFound: HTTPStatus.NOT_FOUND,
    inference.DigestMismatch: HTTPStatus.INTERNAL_SERVER_ERROR,
    inference.ModelFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    inference.OutOfMemory: HTTPStatus.SERVICE_UNAVAILABLE,
    inference.ModelUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    inference.UnsuitableImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    inference.TrainingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    node.SettingsInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
    node.DatasetInvalid: HTTPStatus.BAD_REQUEST,
    node.DatasetMismatch: HTTPStatus.CONFLICT,
    node.PixelsUndecodable: HTTPStatus.UNPROCESSABLE_ENTITY,
    node.NotEligible: HTTPStatus.UNPROCESSABLE_ENTITY,
    node.EvidenceInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
    node.PeerUnreachable: HTTPStatus.BAD_GATEWAY,
    node.PeerBusy: HTTPStatus.BAD_GATEWAY,
    node.PeerRefused: HTTPStatus.BAD_GATEWAY,
    node.PeerStumbled: HTTPStatus.BAD_GATEWAY,
    node.ClassNotAccepted: HTTPStatus.BAD_GATEWAY,
}

FAMILIES = (node.NodeError, inference.InferenceError, storage.StorageError)


def status_of(error: Exception) -> HTTPStatus:
    """Find the status of the nearest class in the table."""
    for kind in type(error).__mro__:
        if status := STATUS.get(kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(status: HTTPStatus, detail: str) -> JSONResponse:
    """Build the body of a refusal."""
    return JSONResponse(
        {"title": status.phrase, "status": status.value, "detail": detail},
        status_code=status.value,
        media_type="application/problem+json",
    )


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that ended with one of our own errors."""
    del request
    return problem(status_of(error), str(error))
