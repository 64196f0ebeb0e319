import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
)
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity

from dicom_node.dimse.presentation import STORAGE_CLASSES, VERIFICATION_CLASS
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.storage import SendResult, send
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import (
    ClassNotAccepted,
    DatasetInvalid,
    PeerBusy,
    PeerRefused,
    PeerStumbled,
    PeerUnreachable,
)
from tests.peers.receiving import NODE, PATIENT, encoded, radiograph, written

CR = STORAGE_CLASSES[0]
QUICK = Timeouts(connection_s=2, association_s=2, message_s=2, network_s=2)
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class Peer:
    """A pynetdicom Storage SCP that answers as it is told."""

    def __init__(self, syntaxes, answer) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.associations = 0
        self._answer = answer
        self._entity = ApplicationEntity("PACS")
        for sop_class in (VERIFICATION_CLASS, CR):
            self._entity.add_supported_context(sop_class, list(syntaxes))
        self._server = self._entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_ACCEPTED, self._count),
            ],
        )

    @property
    def remote(self) -> RemoteAE:
        return RemoteAE("PACS", "127.0.0.1", self._server.server_address[1])

    def stop(self) -> None:
        self._entity.shutdown()

    def _count(self, _event) -> None:
        self.associations += 1

    def _store(self, event) -> int:
        syntax = str(event.context.transfer_syntax)
        self.received.append((syntax, event.request.DataSet.getvalue()))
        answer = self._answer
        return answer(event) if callable(answer) else answer


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with ExitStack() as stack:

        def start(syntaxes=UNCOMPRESSED, answer=0x0000) -> Peer:
            started = Peer(syntaxes, answer)
            stack.callback(started.stop)
            return started

        yield start


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    def save(*datasets):
        paths = []
        for number, dataset in enumerate(datasets):
            paths.append(tmp_path / f"{number}.dcm")
            paths[-1].write_bytes(written(dataset))
        return paths

    return save


def sent(paths, remote, timeouts=PATIENT) -> list[SendResult]:
    return list(send(paths, remote, calling_ae=NODE, timeouts=timeouts))


def test_many_objects_share_one_association_and_arrive_as_they_are(peer, files):
    pacs = peer()
    datasets = [radiograph(number) for number in range(5)]
    results = sent(files(*datasets), pacs.remote)
    uids = [str(dataset.SOPInstanceUID) for dataset in datasets]
    assert results == [SendResult(uid, 0) for uid in uids]
    assert pacs.associations == 1
    assert pacs.received == [
        (ExplicitVRLittleEndian, encoded(dataset)) for dataset in datasets
    ]


def test_a_compressed_object_is_sent_as_it_is(peer, files):
    pacs = peer([JPEGBaseline8Bit])
    dataset = radiograph(1, transfer_syntax=JPEGBaseline8Bit)
    assert [result.status for result in sent(files(dataset), pacs.remote)] == [0]
    assert pacs.received == [(JPEGBaseline8Bit, encoded(dataset))]


@pytest.mark.parametrize(("has", "takes"), [UNCOMPRESSED, UNCOMPRESSED[::-1]])
def test_an_uncompressed_object_is_converted_for_a_peer_that_needs_it(
    peer, files, has, takes
):
    pacs = peer([takes])
    (result,) = sent(files(radiograph(1, transfer_syntax=has)), pacs.remote)
    assert result.status == 0
    expected = encoded(radiograph(1, transfer_syntax=takes))
    assert pacs.received == [(takes, expected)]


def test_a_class_or_syntax_that_is_not_accepted_is_told_for_that_object(peer, files):
    pacs = peer()
    paths = files(
        radiograph(1, "SC"),
        radiograph(2),
        radiograph(3, transfer_syntax=JPEGBaseline8Bit),
    )
    results = sent(paths, pacs.remote)
    assert [type(result.error) for result in results] == [
        ClassNotAccepted,
        type(None),
        ClassNotAccepted,
    ]
    assert [result.status for result in results] == [None, 0, None]


def test_a_peer_that_accepts_nothing_is_told_for_every_object(peer, files):
    results = sent(files(radiograph(1, "SC"), radiograph(2, "SC")), peer().remote)
    assert [type(result.error) for result in results] == [ClassNotAccepted] * 2
    assert SecondaryCaptureImageStorage not in {CR, VERIFICATION_CLASS}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0xA700, PeerBusy),
        (0x0213, PeerBusy),
        (0xA900, PeerRefused),
        (0x0110, PeerStumbled),
        (0xC000, PeerStumbled),
        (0x0122, ClassNotAccepted),
        (0x0124, PeerRefused),
        (0xB000, type(None)),
        (0xB007, type(None)),
        (0x0111, type(None)),
    ],
)
def test_every_response_status_is_looked_at(peer, files, status, error):
    (result,) = sent(files(radiograph(1)), peer(answer=status).remote)
    assert result.status == status
    assert type(result.error) is error


def test_one_refused_object_does_not_hold_up_the_next(peer, files):
    statuses = iter([0xC000, 0x0000, 0xA700])
    pacs = peer(answer=lambda _: next(statuses))
    results = sent(files(*(radiograph(number) for number in range(3))), pacs.remote)
    assert [result.status for result in results] == [0xC000, 0x0000, 0xA700]
    assert [result.error is None for result in results] == [False, True, False]


def test_an_association_that_breaks_leaves_the_rest_unreachable(peer, files):
    def abort(event):
        event.assoc.abort()
        return 0x0000

    pacs = peer(answer=abort)
    results = sent(files(*(radiograph(number) for number in range(3))), pacs.remote)
    assert [result.status for result in results] == [None] * 3
    assert [type(result.error) for result in results] == [PeerUnreachable] * 3
    # Nothing more was asked, and no answer waited for in vain.
    assert {str(result.error) for result in results[1:]} == {"the association is over"}
    assert len(pacs.received) == 1


def test_a_peer_that_does_not_answer_in_time_is_unreachable(peer, files):
    release = threading.Event()

    def wait(_event):
        release.wait(180)
        return 0x0000

    (result,) = sent(files(radiograph(1)), peer(answer=wait).remote, QUICK)
    release.set()
    assert isinstance(result.error, PeerUnreachable)


def test_nobody_there_is_unreachable(files, free_port):
    nobody = RemoteAE("PACS", "127.0.0.1", free_port)
    with pytest.raises(PeerUnreachable):
        sent(files(radiograph(1)), nobody)
    with pytest.raises(PeerUnreachable):
        echo(nobody, calling_ae=NODE, timeouts=PATIENT)


def test_a_rejection_says_why(peer):
    pacs = peer()
    pacs._entity.require_called_aet = True
    wrong = RemoteAE("NOBODY", "127.0.0.1", pacs.remote.port)
    with pytest.raises(PeerUnreachable, match="called AE title not recognised"):
        echo(wrong, calling_ae=NODE, timeouts=PATIENT)
    echo(pacs.remote, calling_ae=NODE, timeouts=PATIENT)


@contextmanager
def saying(*speech: bytes) -> Iterator[RemoteAE]:
    """Listen, say something to the first caller, and fall silent."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            line, _ = server.accept()
            with line:
                for sentence in speech:
                    line.recv(65536)
                    line.sendall(sentence)
                done.wait(180)

        talker = threading.Thread(target=talk)
        talker.start()
        yield RemoteAE("PACS", "127.0.0.1", server.getsockname()[1])
        done.set()
        talker.join()


@pytest.mark.parametrize(
    "speech",
    [(), (b"HTTP/1.1 400 Bad Request\r\n\r\n",), (b"\x02\x00\x00\x00\x01\x00abc",)],
    ids=["silence", "another protocol", "half an answer"],
)
def test_a_peer_that_speaks_no_dicom_is_unreachable(speech):
    with saying(*speech) as remote, pytest.raises(PeerUnreachable):
        echo(remote, calling_ae=NODE, timeouts=QUICK)


def test_a_file_that_is_no_dicom_is_refused_before_anything_is_sent(peer, tmp_path):
    page = tmp_path / "page.dcm"
    page.write_text("<html>")
    pacs = peer()
    with pytest.raises(DatasetInvalid):
        sent([page], pacs.remote)
    assert pacs.associations == 0


def test_results_come_one_by_one(peer, files):
    pacs = peer()
    paths = files(radiograph(1), radiograph(2))
    results = send(paths, pacs.remote, calling_ae=NODE, timeouts=PATIENT)
    assert next(results).status == 0
    assert len(pacs.received) == 1
    results.close()
    assert len(pacs.received) == 1
