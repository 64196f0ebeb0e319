"""What a DIMSE service is to the acceptor that runs it (DICOM PS3.4, PS3.7).

A service is one file in ``dimse.services`` and one line where the node is composed.
Acceptor and services know this page and not each other.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.presentation import PresentationContext

Handler = Callable[[evt.Event], Any]
"""Answers a request; what it returns is pynetdicom's affair, event by event.

Those of C-MOVE and C-GET return nothing: they send their responses themselves.
"""


class Roles(NamedTuple):
    """What a caller may be for a SOP class, where it asks (PS3.7 D.3.3.4)."""

    scu: bool
    scp: bool


@runtime_checkable
class SpeaksFirst(Protocol):
    """An association on which this node may make requests of its own.

    A service finds it in its request's event; both are called on its own thread.
    """

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call something once the request that is being served is answered."""
        ...

    def report(
        self,
        request: N_EVENT_REPORT,
        context_id: int,
        answered: Callable[[int | None], None],
    ) -> None:
        """Send an N-EVENT-REPORT request, and go on.

        Parameters
        ----------
        answered
            Called once: with the status of the response, or with ``None`` when the
            association ended without one.
        """
        ...


class ServiceClass(Protocol):
    """A service that this node provides to callers."""

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """What is accepted: a SOP class each, most welcome transfer syntax first."""
        ...

    @property
    def roles(self) -> Mapping[str, Roles]:
        """SOP class UID -> the roles it accepts; without a row, callers are SCU.

        Where callers are never SCU, a class is accepted only from those that propose
        to be its SCP.
        """
        ...

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """Request -> who answers it."""
        ...


@runtime_checkable
class ReceivesDataSets(Protocol):
    """A service that takes data sets of C-STORE requests piece by piece."""

    def open(
        self,
        association: Association,
        context: PresentationContext,
        request: C_STORE_RQ,
    ) -> BytesIO:
        """Open the place for a data set; the request's handler finds it there.

        Parameters
        ----------
        association
            Who sends it.
        context
            The accepted context that it comes in.
        request
            Its command set is complete.

        Raises
        ------
        NodeError
            The association is aborted.
        """
        ...
