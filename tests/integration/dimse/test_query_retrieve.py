"""Query/Retrieve over associations of a real acceptor (DICOM PS3.4 Annex C)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
)
from pynetdicom import build_role, evt

from dicom_node.dataset.pixels.transcoding import transcoded
from dicom_node.dataset.quiet import quiet
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity
from dicom_node.dimse.presentation import (
    PATIENT_ROOT_CLASSES,
    STORAGE_CLASSES,
    STUDY_ROOT_CLASSES,
    context,
)
from dicom_node.dimse.retrieval import matches
from dicom_node.dimse.retrieval.identifier import (
    PATIENT_ROOT,
    STUDY_ROOT,
    UNIQUE_KEYS,
)
from dicom_node.dimse.retrieval.matches import answered_at
from dicom_node.dimse.retrieval.sending import Retrieval
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.services import query_retrieve
from dicom_node.dimse.services.query_retrieve import (
    RETRIEVED_CLASSES,
    QueryRetrieveSCP,
)
from dicom_node.dimse.services.storage import StorageSCP
from tests.factories.choices import dimse_config
from tests.factories.nodes import wait_until
from tests.peers.pacs import PACS
from tests.peers.receiving import (
    MAXIMUM_OBJECT_BYTES,
    MODALITY,
    NODE,
    PATIENT,
    arriving_of,
    radiograph,
    receiver,
    written,
)

CR = STORAGE_CLASSES[0]
STUDY_FIND, STUDY_MOVE, STUDY_GET = STUDY_ROOT_CLASSES
PATIENT_FIND, PATIENT_MOVE, PATIENT_GET = PATIENT_ROOT_CLASSES
VIEWER, GONE, ELSEWHERE = "VIEWER", "GONE", "ELSEWHERE"
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@dataclass
class Archive:
    """A node that holds films, and a viewer that takes them."""

    behind: object
    port: int
    viewer: PACS
    films: list[Dataset] = field(default_factory=list)

    def hold(self, film: Dataset) -> Dataset:
        reception = self.behind.reception
        incoming = reception.incoming()
        incoming.write(written(film))
        reception.receive(incoming, arriving_of(film))
        self.films.append(film)
        return film

    @contextmanager
    def called(self, *contexts, roles=(), on_store=None) -> Iterator:
        handlers = [(evt.EVT_C_STORE, on_store)] if on_store else []
        association = RequestingEntity(MODALITY).associate(
            "127.0.0.1",
            self.port,
            list(contexts),
            ae_title=NODE,
            ext_neg=list(roles),
            evt_handlers=handlers,
        )
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def ask(self, sop_class, identifier, **kwargs):
        """C-FIND, C-MOVE or C-GET; every answer, as status and identifier."""
        with self.called(context(sop_class, SYNTAXES)) as association:
            if sop_class in (STUDY_FIND, PATIENT_FIND):
                found = association.send_c_find(identifier, sop_class)
            else:
                found = association.send_c_move(identifier, VIEWER, sop_class, **kwargs)
            return list(found)

    def find(self, identifier, sop_class=STUDY_FIND):
        *pending, (last, _) = self.ask(sop_class, identifier)
        assert last.Status == 0x0000, hex(last.Status)
        return [answer for _, answer in pending]

    def get(self, identifier, contexts, status=0x0000, *, proposed=None):
        """C-GET; the last answer, and what was taken."""
        taken: list[Dataset] = []

        def store(event):
            taken.append(event.dataset)
            return status if isinstance(status, int) else status(len(taken))

        scp_of = {one.abstract_syntax for one in contexts}
        if proposed is not None:
            scp_of = set(proposed)
        roles = [build_role(uid, scu_role=False, scp_role=True) for uid in scp_of]
        with self.called(
            context(STUDY_GET, SYNTAXES), *contexts, roles=roles, on_store=store
        ) as association:
            *_, last = association.send_c_get(identifier, STUDY_GET)
            for film in taken:
                film.decode()
        return last, taken


@pytest.fixture
def archive(tmp_path) -> Iterator[Archive]:
    viewer = PACS(classes=STORAGE_CLASSES)
    with receiver(tmp_path) as behind, viewer.listening() as viewer_port:
        places = {VIEWER: viewer_port, GONE: 1}
        destinations = {
            title: lambda _caller, host, port=port: RemoteAE("PACS", host, port)
            for title, port in places.items()
        } | {ELSEWHERE: lambda _caller, _host: None}
        service = QueryRetrieveSCP(
            behind.database, behind.store, Retrieval(NODE, destinations, PATIENT)
        )
        storage = StorageSCP(behind.reception, MAXIMUM_OBJECT_BYTES)
        entity = ApplicationEntity(
            dimse_config(NODE, accept_unknown_peers=True), [storage, service]
        )
        try:
            yield Archive(behind, entity.start(), viewer)
        finally:
            entity.stop(drain_s=0)


def keys(level="STUDY", **values) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    with quiet():  # some are wrong on purpose
        for keyword, value in values.items():
            setattr(identifier, keyword, value)
    return identifier


def a_film(number, **overrides) -> Dataset:
    return radiograph(number, PatientID=f"P{number}", **overrides)


def failed(identifier) -> list[str]:
    """The UIDs of the Failed SOP Instance UID List."""
    uids = identifier.FailedSOPInstanceUIDList
    return [uids] if isinstance(uids, str) else list(uids)


def numbers(answer) -> tuple[int, ...]:
    return (
        answer.NumberOfCompletedSuboperations,
        answer.NumberOfFailedSuboperations,
        answer.NumberOfWarningSuboperations,
    )


def test_a_study_is_found_with_what_was_asked_for_and_what_it_holds(archive):
    film = archive.hold(a_film(1, PatientName="Müller^Jörg", StudyID=""))
    archive.hold(a_film(2))
    (found,) = archive.find(
        keys(
            PatientID="P1",
            PatientName="",
            StudyInstanceUID="",
            StudyID="",
            ModalitiesInStudy="",
            NumberOfStudyRelatedInstances="",
        )
    )
    assert found.StudyInstanceUID == film.StudyInstanceUID
    assert str(found.PatientName) == "Müller^Jörg"
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.ModalitiesInStudy == "CR"
    assert found.NumberOfStudyRelatedInstances == 1
    assert found.StudyID is None or found.StudyID == ""
    assert (found.RetrieveAETitle, found.InstanceAvailability) == (NODE, "ONLINE")
    assert "StudyDate" not in found


def test_patients_are_found_once_each(archive):
    archive.hold(a_film(1))
    archive.hold(radiograph(2, PatientID="P1"))
    archive.hold(a_film(3))
    found = archive.find(keys("PATIENT", PatientID=""), PATIENT_FIND)
    assert sorted(one.PatientID for one in found) == ["P1", "P3"]
    assert archive.find(keys("PATIENT", PatientID="P3*"), PATIENT_FIND)


def test_series_and_images_are_found_below_what_is_named(archive):
    film = archive.hold(a_film(1))
    archive.hold(a_film(2))
    study, series = film.StudyInstanceUID, film.SeriesInstanceUID
    (found,) = archive.find(
        keys(
            "SERIES",
            StudyInstanceUID=study,
            SeriesInstanceUID="",
            NumberOfSeriesRelatedInstances="",
        )
    )
    assert found.SeriesInstanceUID == series
    assert found.NumberOfSeriesRelatedInstances == 1
    (found,) = archive.find(
        keys(
            "IMAGE",
            PatientID="P1",
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SOPInstanceUID="",
            SOPClassUID="",
        ),
        PATIENT_FIND,
    )
    assert found.SOPInstanceUID == film.SOPInstanceUID
    assert found.SOPClassUID == CR


def test_attributes_that_are_not_known_are_left_out_and_announced(archive):
    archive.hold(a_film(1))
    (status, found), (last, _) = archive.ask(
        STUDY_FIND, keys(PatientID="P1", PatientComments="")
    )
    assert (status.Status, last.Status) == (0xFF01, 0x0000)
    assert "PatientComments" not in found


@pytest.mark.parametrize(
    ("sop_class", "identifier"),
    [
        (STUDY_FIND, keys("PATIENT", PatientID="")),
        (STUDY_FIND, keys("CUP", PatientID="")),
        (STUDY_FIND, keys("SERIES", PatientID="P1")),
        (PATIENT_FIND, keys("STUDY", StudyInstanceUID="")),
        (STUDY_FIND, keys("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="")),
        (STUDY_FIND, keys(StudyDate="2026-13-99-1")),
        (STUDY_MOVE, keys("STUDY")),
        (STUDY_MOVE, keys("SERIES", SeriesInstanceUID="1.2")),
        (STUDY_MOVE, keys("STUDY", StudyInstanceUID="*")),
        (PATIENT_MOVE, keys("PATIENT", PatientName="Doe*")),
        (PATIENT_MOVE, keys("STUDY", StudyInstanceUID="1.2")),
    ],
)
def test_what_does_not_match_the_information_model_is_answered_with_a900(
    archive, caplog, sop_class, identifier
):
    archive.hold(a_film(1))
    with caplog.at_level(logging.INFO, logger="dicom_node"):
        ((answer, _),) = archive.ask(sop_class, identifier)
    assert answer.Status == 0xA900
    (line,) = [one for one in caplog.messages if "0xA900" in one]
    assert "Doe" not in line
    assert "P1" not in line


def test_a_search_that_finds_too_much_ends_with_a700(archive, monkeypatch):
    for number in (1, 2, 3):
        archive.hold(a_film(number))
    monkeypatch.setattr(query_retrieve, "MOST_MATCHES", 2)
    monkeypatch.setattr(matches, "PAGE", 1)
    *found, (last, _) = archive.ask(STUDY_FIND, keys(StudyInstanceUID=""))
    assert len({one.StudyInstanceUID for _, one in found}) == 2
    assert last.Status == 0xA700


def test_a_search_is_given_page_by_page(archive, monkeypatch):
    monkeypatch.setattr(matches, "PAGE", 2)
    uids = {archive.hold(a_film(number)).StudyInstanceUID for number in range(1, 6)}
    found = archive.find(keys(StudyInstanceUID=""))
    assert sorted(one.StudyInstanceUID for one in found) == sorted(uids)


def test_a_study_is_moved_to_a_peer_and_counted(archive):
    film = archive.hold(a_film(1))
    second = archive.hold(radiograph(2, StudyInstanceUID=film.StudyInstanceUID))
    archive.hold(a_film(3))
    *pending, (last, _) = archive.ask(
        STUDY_MOVE, keys(StudyInstanceUID=film.StudyInstanceUID)
    )
    assert [one.Status for one, _ in pending] == [0xFF00]
    assert pending[0][0].NumberOfRemainingSuboperations == 1
    assert (last.Status, numbers(last)) == (0x0000, (2, 0, 0))
    assert set(archive.viewer.held) == {film.SOPInstanceUID, second.SOPInstanceUID}


def test_a_patient_is_moved(archive):
    films = [archive.hold(radiograph(n, PatientID="P1")) for n in (1, 2)]
    archive.hold(a_film(3))
    *_, (last, _) = archive.ask(PATIENT_MOVE, keys("PATIENT", PatientID="P1"))
    assert numbers(last) == (2, 0, 0)
    assert set(archive.viewer.held) == {one.SOPInstanceUID for one in films}


def test_what_is_not_held_is_a_move_of_nothing(archive):
    ((last, _),) = archive.ask(STUDY_MOVE, keys(StudyInstanceUID="1.2.3"))
    assert (last.Status, numbers(last)) == (0x0000, (0, 0, 0))


@pytest.mark.parametrize("title", ["NOBODY", ELSEWHERE, ""])
def test_a_move_to_an_unknown_destination_is_answered_with_a801(archive, title):
    film = archive.hold(a_film(1))
    wanted = keys(StudyInstanceUID=film.StudyInstanceUID)
    with archive.called(context(STUDY_MOVE, SYNTAXES)) as association:
        ((answer, _),) = association.send_c_move(wanted, title or "X", STUDY_MOVE)
    assert answer.Status == 0xA801


def test_a_destination_that_is_away_gets_nothing_and_the_caller_the_list(archive):
    films = [archive.hold(radiograph(n, StudyInstanceUID="1.2.3")) for n in (1, 2)]
    wanted = keys(StudyInstanceUID="1.2.3")
    with archive.called(context(STUDY_MOVE, SYNTAXES)) as association:
        *_, (last, list_) = association.send_c_move(wanted, GONE, STUDY_MOVE)
    assert (last.Status, numbers(last)) == (0xA702, (0, 2, 0))
    assert set(failed(list_)) == {one.SOPInstanceUID for one in films}


def test_an_object_that_the_destination_refuses_is_named(archive):
    films = [archive.hold(radiograph(n, StudyInstanceUID="1.2.3")) for n in (1, 2, 3)]
    bad, warned = films[0].SOPInstanceUID, films[1].SOPInstanceUID
    statuses = {bad: 0xA900, warned: 0xB000}
    archive.viewer._status = lambda uid: statuses.get(uid, 0x0000)
    *_, (last, list_) = archive.ask(STUDY_MOVE, keys(StudyInstanceUID="1.2.3"))
    assert (last.Status, numbers(last)) == (0xB000, (1, 1, 1))
    assert failed(list_) == [bad]


def test_a_destination_that_takes_no_compressed_form_gets_the_plain_one(archive):
    plain = radiograph(1, BitsStored=16, HighBit=15)
    held = archive.hold(_compressed(plain))
    *_, (last, _) = archive.ask(
        STUDY_MOVE, keys(StudyInstanceUID=held.StudyInstanceUID)
    )
    assert numbers(last) == (1, 0, 0)
    (got,) = archive.viewer.datasets()
    assert got.PixelData == plain.PixelData


def _compressed(film) -> Dataset:
    copy = dcmread(BytesIO(written(film)))
    return dcmread(BytesIO(transcoded(copy, JPEGLSLossless, 1_000_000)))


def test_a_study_is_got_on_the_same_association(archive):
    films = [archive.hold(radiograph(n, StudyInstanceUID="1.2.3")) for n in (1, 2, 3)]
    (last, _), taken = archive.get(
        keys(StudyInstanceUID="1.2.3"), [context(CR, SYNTAXES)]
    )
    assert (last.Status, numbers(last)) == (0x0000, (3, 0, 0))
    got = {one.SOPInstanceUID: one.PixelData for one in taken}
    assert got == {one.SOPInstanceUID: one.PixelData for one in films}


def test_without_role_selection_nothing_is_got_and_every_object_is_named(archive):
    film = archive.hold(a_film(1))
    (last, list_), taken = archive.get(
        keys(StudyInstanceUID=film.StudyInstanceUID),
        [context(CR, SYNTAXES)],
        proposed=(),
    )
    assert (last.Status, numbers(last)) == (0xA702, (0, 1, 0))
    assert failed(list_) == [film.SOPInstanceUID]
    assert not taken


def test_a_class_that_the_caller_did_not_propose_fails_and_the_rest_arrives(archive):
    film = archive.hold(radiograph(1, StudyInstanceUID="1.2.3"))
    other = archive.hold(radiograph(2, kind="DX", StudyInstanceUID="1.2.3"))
    (last, list_), taken = archive.get(
        keys(StudyInstanceUID="1.2.3"), [context(CR, SYNTAXES)]
    )
    assert (last.Status, numbers(last)) == (0xB000, (1, 1, 0))
    assert failed(list_) == [other.SOPInstanceUID]
    assert [one.SOPInstanceUID for one in taken] == [film.SOPInstanceUID]


def test_warnings_and_failures_of_the_caller_are_counted(archive):
    for number in (1, 2, 3):
        archive.hold(radiograph(number, StudyInstanceUID="1.2.3"))
    (last, list_), _ = archive.get(
        keys(StudyInstanceUID="1.2.3"),
        [context(CR, SYNTAXES)],
        status=lambda count: {1: 0xB007, 2: 0xC000}.get(count, 0x0000),
    )
    assert (last.Status, numbers(last)) == (0xB000, (1, 1, 1))
    assert len(failed(list_)) == 1


@pytest.mark.parametrize("operation", ["get", "move"])
def test_a_cancel_ends_what_is_under_way(archive, operation):
    for number in range(1, 6):
        archive.hold(radiograph(number, StudyInstanceUID="1.2.3"))
    wanted = keys(StudyInstanceUID="1.2.3")
    sop_class = STUDY_GET if operation == "get" else STUDY_MOVE
    contexts = [context(sop_class, SYNTAXES)]
    roles = []
    if operation == "get":
        contexts.append(context(CR, SYNTAXES))
        roles = [build_role(CR, scu_role=False, scp_role=True)]
    with archive.called(
        *contexts, roles=roles, on_store=lambda _: 0x0000
    ) as association:
        number = 7

        def cancel(*_) -> int:
            association.send_c_cancel(number, query_model=sop_class)
            return 0x0000

        archive.viewer._status = cancel
        association.unbind(
            evt.EVT_C_STORE, association.get_handlers(evt.EVT_C_STORE)[0]
        )
        association.bind(evt.EVT_C_STORE, cancel)
        ask = association.send_c_get if operation == "get" else association.send_c_move
        where = [wanted] if operation == "get" else [wanted, VIEWER]
        *_, (last, _) = ask(*where, sop_class, msg_id=number)
    assert last.Status == 0xFE00
    assert last.NumberOfRemainingSuboperations > 0
    assert last.NumberOfRemainingSuboperations + sum(numbers(last)) == 5


@pytest.mark.parametrize(
    ("sop_class", "step"),
    [(PATIENT_FIND, step) for step in PATIENT_ROOT]
    + [(STUDY_FIND, step) for step in STUDY_ROOT],
)
def test_everything_that_the_conformance_statement_claims_is_answered(
    archive, sop_class, step
):
    film = archive.hold(a_film(1))
    claimed = answered_at(step)
    wanted = keys(step)
    for keyword in claimed:
        sequence = keyword.endswith("Sequence")
        setattr(wanted, keyword, [] if sequence else None)
    root = PATIENT_ROOT if sop_class == PATIENT_FIND else STUDY_ROOT
    for above in root[: root.index(step)]:
        setattr(wanted, UNIQUE_KEYS[above], film[UNIQUE_KEYS[above]].value)
    (status, found), (last, _) = archive.ask(sop_class, wanted)
    assert (status.Status, last.Status) == (0xFF00, 0x0000)
    assert not [keyword for keyword in claimed if keyword not in found]


def test_every_class_of_results_that_is_claimed_is_given_to_its_scp(archive):
    roles = [build_role(one, scp_role=True) for one in RETRIEVED_CLASSES]
    wanted = [context(uid, SYNTAXES) for uid in RETRIEVED_CLASSES]
    with archive.called(*wanted, roles=roles) as association:
        accepted = {one.abstract_syntax for one in association.accepted_contexts}
    assert accepted == set(RETRIEVED_CLASSES)


def test_results_are_accepted_from_those_alone_that_take_them(archive):
    wanted = [context(SegmentationStorage, SYNTAXES), context(STUDY_GET, SYNTAXES)]
    with archive.called(*wanted) as association:
        accepted = {one.abstract_syntax for one in association.accepted_contexts}
    assert accepted == {STUDY_GET}
    role = build_role(SegmentationStorage, scu_role=True, scp_role=True)
    with archive.called(*wanted, roles=[role]) as association:
        (got,) = [
            one
            for one in association.accepted_contexts
            if one.abstract_syntax == SegmentationStorage
        ]
    assert (got.as_scu, got.as_scp) == (False, True)


def test_who_takes_images_does_not_send_them_too(archive):
    role = build_role(CR, scu_role=False, scp_role=True)
    film = a_film(1)
    with archive.called(context(CR, SYNTAXES), roles=[role]) as association:
        # The library's own check, that we are no SCU, is passed over.
        (only,) = association.accepted_contexts
        only._as_scu = True
        assert "Status" not in association.send_c_store(film)
        assert wait_until(lambda: not association.is_established)
    assert not archive.behind.knows(film.SOPInstanceUID)
