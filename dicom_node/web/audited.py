"""Writes down who searched, who retrieved over DICOMweb, and who changed access."""

import re
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.message import AuditMessage
from dicom_node.monitoring.audit.occasions import AuditedStudy, Caller
from dicom_node.monitoring.audit.trail import AuditTrail

if TYPE_CHECKING:
    from dicom_node.web.auth.principal import Principal

_STUDY = re.compile(r"/studies/([0-9.]{1,64})(?:/|$)")
_SEARCH = re.compile(r"/(?:studies|series|instances)$")
_ACCESS = ("/api/v1/users", "/api/v1/keys", "/api/v1/sessions")
_AGAIN_S = 600.0
_REMEMBERED = 10_000


class Audited:
    """Middleware that audits what was answered; it changes nothing.

    A viewer asks for a study in a hundred requests: they are one access, until ten
    minutes are over.

    Parameters
    ----------
    app
        Who answers.
    trail, node
        Where to, and who we are.
    prefix
        Of DICOMweb's paths.
    patient_of
        Study Instance UID -> Patient ID, or nothing. Without it messages name no
        patient: what was searched for is left out, too.
    seconds
        A clock for durations.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        trail: AuditTrail,
        node: str,
        prefix: str,
        patient_of: Callable[[str], str] | None,
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self._app = app
        self._trail = trail
        self._node = node
        self._prefix = prefix + "/"
        self._patient_of = patient_of
        self._seconds = seconds
        self._told: OrderedDict[tuple[Caller, str], float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and write down what was answered."""
        if scope["type"] != "http" or not self._is_told(scope):
            await self._app(scope, receive, send)
            return
        statuses: list[int] = []

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(message["status"]))
            await send(message)

        await self._app(scope, receive, sending)
        if statuses and statuses[0] // 100 == 2:  # noqa: PLR2004  2xx: answered
            await run_in_threadpool(self._tell, scope)

    def _is_told(self, scope: Scope) -> bool:
        if scope["method"] == "GET":
            return str(scope["path"]).startswith(self._prefix)
        return str(scope["path"]).startswith(_ACCESS)

    def _tell(self, scope: Scope) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        principal: Principal | None = scope.get("state", {}).get("principal")
        name = principal.name if principal else "HTTP client"
        message = self._message(Caller(name, address), scope)
        if message is not None:
            self._trail.record(message)

    def _message(self, who: Caller, scope: Scope) -> AuditMessage | None:
        if scope["method"] != "GET":
            what = f"{scope['method']} {scope['path']}"
            return occasions.access_changed(who, self._node, what)
        path = scope["path"].removeprefix(self._prefix[:-1])
        if _SEARCH.search(path):
            asked = scope.get("query_string", b"").decode("latin-1")
            query = f"{path}?{asked}" if self._patient_of else path
            return occasions.queried(who, self._node, "QIDO-RS", query)
        found = _STUDY.search(path)
        if found is None or self._is_known((who, found[1])):
            return None
        patient = self._patient_of(found[1]) if self._patient_of else ""
        about = AuditedStudy(found[1], patient, {})
        return occasions.accessed(who, self._node, about)

    def _is_known(self, access: tuple[Caller, str]) -> bool:
        now = self._seconds()
        told_at = self._told.get(access)
        if told_at is not None and now - told_at < _AGAIN_S:
            return True
        self._told[access] = now
        self._told.move_to_end(access)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return False
