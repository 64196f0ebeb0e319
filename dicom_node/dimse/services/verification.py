"""Verification SCP: answers C-ECHO (DICOM PS3.4 Annex A)."""

from collections.abc import Mapping, Sequence

from pynetdicom import evt
from pynetdicom.presentation import PresentationContext

from dicom_node.dimse.presentation import acceptor_contexts
from dicom_node.dimse.service_class import Handler, Roles
from dicom_node.dimse.status import Status


class VerificationSCP:
    """Answers C-ECHO requests."""

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """The one class of the service."""
        return acceptor_contexts("Verification")

    @property
    def roles(self) -> Mapping[str, Roles]:
        """None: callers are SCU."""
        return {}

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """C-ECHO."""
        return {evt.EVT_C_ECHO: self.echo}

    def echo(self, _event: evt.Event) -> int:
        """Answer that this node is there."""
        return Status.SUCCESS
