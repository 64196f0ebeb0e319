"""Which service answers: the one in whose presentation contexts a request comes.

A request in nobody's context goes to the first service that answers its kind, which
knows how to refuse it: a peer may name another SOP class than its context does.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from io import BytesIO
from typing import Any, TypeVar

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import PresentationContext

from dicom_node.dimse.acceptor.messages import Opener
from dicom_node.dimse.service_class import Handler, ReceivesDataSets, ServiceClass
from dicom_node.dimse.status import Status
from dicom_node.errors import DatasetInvalid

logger = logging.getLogger(__name__)
T = TypeVar("T")


def add_contexts(entity: ApplicationEntity, services: Sequence[ServiceClass]) -> None:
    """Let an entity accept what the services do, in the roles that they allow."""
    for service in services:
        for context in service.contexts:
            sop_class = str(context.abstract_syntax)
            scu, scp = service.roles.get(sop_class, (None, None))
            entity.add_supported_context(
                sop_class, context.transfer_syntax, scu_role=scu, scp_role=scp
            )


def acceptable(
    contexts: Sequence[PresentationContext], proposed: Collection[str]
) -> list[PresentationContext]:
    """Leave out the classes whose SCP a caller has to be, and does not propose to be.

    Parameters
    ----------
    proposed
        SOP classes that the caller proposes to be SCP of.
    """
    return [
        one
        for one in contexts
        if one.scu_role is not False or one.abstract_syntax in proposed
    ]


def handlers_of(services: Sequence[ServiceClass]) -> list[EventHandlerType]:
    """List every request that is answered, and by whom."""
    answering: dict[evt.EventType, list[tuple[ServiceClass, Handler]]] = {}
    for service in services:
        for event, handler in service.handlers.items():
            answering.setdefault(event, []).append((service, handler))
    return [(event, _answer, [_by_class(them)]) for event, them in answering.items()]


def opener_of(services: Sequence[ServiceClass]) -> Opener:
    """Find the place for data sets of C-STORE requests."""
    receiving = [
        (service, service.open)
        for service in services
        if isinstance(service, ReceivesDataSets)
    ]
    if not receiving:
        return _refuse
    choose = _by_class(receiving)

    def open_place(
        association: Association, context_id: int, request: C_STORE_RQ
    ) -> BytesIO:
        context = _accepted(association, context_id)
        if not context.as_scp:
            raise DatasetInvalid("the caller is not SCU of this class")
        place = choose(str(context.abstract_syntax))
        return place(association, context, request)

    return open_place


def _by_class(answering: Sequence[tuple[ServiceClass, T]]) -> Callable[[str], T]:
    """Make a choice by the SOP class of a presentation context."""
    table = {
        str(context.abstract_syntax): answer
        for service, answer in answering
        for context in service.contexts
    }
    (_, first), *_ = answering
    return lambda sop_class_uid: table.get(sop_class_uid, first)


def _answer(event: evt.Event, choose: Callable[[str], Handler]) -> Any:
    """Let a service answer, if the request is of the kind that it answers.

    The library goes by the SOP class that a request names, whatever it asks for.
    """
    kind = type(event.request).__name__
    if event.event.name != f"EVT_{kind}":
        logger.warning(
            "Aborted the association of '%s' at %s: no service here answers %s.",
            str(event.assoc.requestor.ae_title).strip(),
            event.assoc.requestor.address,
            kind.replace("_", "-"),
            extra={"action": "abort"},
        )
        event.assoc.abort()
        return Status.PROCESSING_FAILURE  # said to nobody
    return choose(str(event.context.abstract_syntax))(event)


def _accepted(association: Association, context_id: int) -> PresentationContext:
    for context in association.accepted_contexts:
        if context.context_id == context_id:
            return context
    raise DatasetInvalid("the presentation context was not accepted")


def _refuse(_association: Association, _context: int, _request: C_STORE_RQ) -> BytesIO:
    raise DatasetInvalid("no service takes data sets")
