"""What every ServiceClass keeps to, negotiated with the acceptor on a loopback port.

And which of several services a request goes to (``dimse.acceptor.dispatch``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_role, evt

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.presentation import SERVICE_CLASSES, context
from dicom_node.dimse.retrieval.sending import Retrieval
from dicom_node.dimse.service_class import ReceivesDataSets, Roles
from dicom_node.dimse.services.query_retrieve import (
    RETRIEVED_CLASSES,
    QueryRetrieveSCP,
)
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.dimse.services.verification import VerificationSCP
from tests.factories.choices import dimse_config
from tests.factories.nodes import wait_until
from tests.factories.workitems import worklist_at
from tests.peers.receiving import (
    MAXIMUM_OBJECT_BYTES,
    MODALITY,
    NODE,
    PATIENT,
    Receiver,
    commitment_service,
    radiograph,
    receiver,
)

FOREIGN_CLASS = "1.2.840.10008.5.1.4.1.1.2"  # CT Image Storage
REQUESTS = {
    event
    for event in evt._INTERVENTION_EVENTS
    if event.name.startswith(("EVT_C_", "EVT_N_"))
}


class Both:
    """A fake: answers C-ECHO and C-STORE of one class, and lets callers be SCP."""

    SOP_CLASS = "1.2.840.10008.5.1.4.1.1.4"  # MR Image Storage

    def __init__(self, behind: Receiver) -> None:
        del behind
        self.received: list[bytes] = []
        self.contexts = [context(self.SOP_CLASS, [ImplicitVRLittleEndian])]
        self.roles = {self.SOP_CLASS: Roles(scu=True, scp=True)}
        self.handlers = {evt.EVT_C_STORE: self.store, evt.EVT_C_ECHO: self.echo}

    def open(self, _association, _context, _request) -> BytesIO:
        return BytesIO()

    def store(self, event: evt.Event) -> int:
        self.received.append(event.request.DataSet.getvalue())
        return 0x0000

    def echo(self, _event: evt.Event) -> int:
        return 0x0110


SERVICES = {
    "Verification": lambda _: VerificationSCP(),
    "Storage": lambda behind: StorageSCP(behind.reception, MAXIMUM_OBJECT_BYTES),
    "Storage Commitment": commitment_service,
    "Unified Procedure Step": lambda behind: UnifiedProcedureStepSCP(
        worklist_at(behind.database)
    ),
    "Query/Retrieve": lambda behind: QueryRetrieveSCP(
        behind.database, behind.store, Retrieval(NODE, {}, PATIENT)
    ),
    "fake": Both,
}
REAL = tuple(name for name in SERVICES if name != "fake")


@pytest.fixture
def behind(tmp_path) -> Iterator[Receiver]:
    with receiver(tmp_path) as door:
        yield door


@pytest.fixture(params=SERVICES)
def service(request, behind):
    return SERVICES[request.param](behind)


@contextmanager
def serving(*services):
    """Listen with these services, and tell on which port."""
    entity = ApplicationEntity(dimse_config(NODE, accept_unknown_peers=True), services)
    try:
        yield entity.start()
    finally:
        entity.stop(drain_s=0)


@contextmanager
def calling(port, contexts, roles=()):
    """Associate with it."""
    association = Caller(MODALITY).associate(
        "127.0.0.1", port, contexts, ae_title=NODE, ext_neg=list(roles)
    )
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def classes(service) -> list[str]:
    return [context.abstract_syntax for context in service.contexts]


def taken_as_scp(service) -> set[str]:
    """The classes that a caller gets where it proposes to be their SCP."""
    return {uid for uid, roles in service.roles.items() if not roles.scu}


def an_image(sop_class: str) -> Dataset:
    image = radiograph(1, transfer_syntax=ImplicitVRLittleEndian)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = sop_class
    return image


def test_every_class_is_offered_once_and_with_the_syntax_that_all_have(service):
    assert service.contexts
    assert len(classes(service)) == len(set(classes(service)))
    for one in service.contexts:
        # The default of DICOM, PS3.5 10.1.
        assert ImplicitVRLittleEndian in one.transfer_syntax


def test_it_answers_requests_and_nothing_else(service):
    assert service.handlers
    assert set(service.handlers) <= REQUESTS
    assert all(callable(handler) for handler in service.handlers.values())


def test_roles_are_those_of_its_own_classes(service):
    assert set(service.roles) <= set(classes(service))


def test_who_answers_c_store_takes_the_data_sets_too(service):
    answers = evt.EVT_C_STORE in service.handlers
    assert isinstance(service, ReceivesDataSets) is answers


def test_its_contexts_are_made_anew_or_stay_the_same(service):
    # The acceptor may ask more than once.
    first, second = service.contexts, service.contexts
    assert [one.transfer_syntax for one in first] == [
        one.transfer_syntax for one in second
    ]


def test_a_caller_gets_what_is_offered_and_nothing_else(service):
    offered = {
        one.abstract_syntax: one.transfer_syntax[0]
        for one in service.contexts
        if one.abstract_syntax not in taken_as_scp(service)
    }
    wanted = [*service.contexts, context(FOREIGN_CLASS, [ImplicitVRLittleEndian])]
    with serving(service) as port, calling(port, wanted) as association:
        got = {
            one.abstract_syntax: one.transfer_syntax[0]
            for one in association.accepted_contexts
        }
        rejected = [one.abstract_syntax for one in association.rejected_contexts]
    assert got == offered
    assert set(rejected) == {FOREIGN_CLASS, *taken_as_scp(service)}


def test_a_caller_may_be_what_the_roles_say(service):
    roles = [build_role(uid, scu_role=True, scp_role=True) for uid in classes(service)]
    with serving(service) as port, calling(port, service.contexts, roles) as caller:
        accepted = {
            one.abstract_syntax: Roles(one.as_scu, one.as_scp)
            for one in caller.accepted_contexts
        }
    for uid in classes(service):
        assert accepted[uid] == service.roles.get(uid, Roles(scu=True, scp=False))


def test_verification_answers_c_echo():
    service = VerificationSCP()
    with serving(service) as port, calling(port, service.contexts) as association:
        assert association.send_c_echo().Status == 0x0000


def test_storage_stores(behind):
    service = SERVICES["Storage"](behind)
    contexts = [context(uid, [ImplicitVRLittleEndian]) for uid in classes(service)]
    image = an_image(classes(service)[0])
    with serving(service) as port, calling(port, contexts) as association:
        assert association.send_c_store(image).Status == 0x0000
    assert behind.knows(image.SOPInstanceUID)


@pytest.mark.parametrize("order", [1, -1])
def test_each_service_gets_what_comes_in_its_own_contexts(behind, order):
    services = [make(behind) for make in SERVICES.values()][::order]
    fake = next(one for one in services if isinstance(one, Both))
    ours = an_image(SERVICE_CLASSES["Storage"][0][0])
    theirs = an_image(Both.SOP_CLASS)
    theirs.SOPInstanceUID = theirs.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    wanted = [
        context(uid, [ImplicitVRLittleEndian])
        for service in services
        for uid in classes(service)
    ]
    with serving(*services) as port, calling(port, wanted) as association:
        assert association.send_c_echo().Status == 0x0000
        assert association.send_c_store(ours).Status == 0x0000
        assert association.send_c_store(theirs).Status == 0x0000
    assert behind.knows(ours.SOPInstanceUID)
    assert not behind.knows("1.2.3")
    assert len(fake.received) == 1


def test_without_a_service_for_it_a_data_set_ends_the_association():
    service = VerificationSCP()
    (only,) = classes(service)
    contexts = [context(only, [ImplicitVRLittleEndian])]
    with serving(service) as port, calling(port, contexts) as association:
        assert "Status" not in association.send_c_store(an_image(only))
        assert wait_until(lambda: not association.is_established)


def test_the_services_together_are_what_the_conformance_statement_says(behind):
    for name in REAL:
        service = SERVICES[name](behind)
        sop_classes, syntaxes = SERVICE_CLASSES[name]
        results = RETRIEVED_CLASSES if name == "Query/Retrieve" else ()
        assert classes(service) == [*sop_classes, *results]
        assert taken_as_scp(service) == set(results)
        assert all(one.transfer_syntax == list(syntaxes) for one in service.contexts)
    assert set(REAL) == set(SERVICE_CLASSES)
