from io import BytesIO

import pytest
from pydicom.filereader import read_dataset
from pynetdicom.dimse_primitives import C_GET, C_MOVE

from dicom_node.dimse.retrieval.suboperations import Responder, SubOperations
from dicom_node.dimse.scu.storage import SendResult
from dicom_node.errors import PeerUnreachable

STORED = SendResult("1.1", 0x0000)
WARNED = SendResult("1.2", 0xB000)
FAILED = SendResult("1.3", None, PeerUnreachable("gone"))


def counted(*results):
    done = SubOperations(len(results))
    for result in results:
        done.count(result)
    return done


def answered(request, answer):
    """What a responder sends when told so."""
    request.MessageID = 7
    request.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.2.2.2"
    sent = []
    answer(Responder(request, sent.append, is_implicit=True))
    return sent


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ((), 0x0000),
        ((STORED, STORED), 0x0000),
        ((STORED, WARNED), 0xB000),
        ((STORED, FAILED), 0xB000),
        ((WARNED, FAILED), 0xB000),
        ((FAILED, FAILED), 0xA702),
    ],
)
def test_the_last_status_says_how_it_went(results, status):
    assert counted(*results).status == status


@pytest.mark.parametrize("request_", [C_MOVE, C_GET])
def test_the_last_response_counts_and_names_what_failed(request_):
    done = counted(STORED, WARNED, FAILED)
    (last,) = answered(
        request_(), lambda responder: responder.end(done, is_cancelled=False)
    )
    assert last.MessageIDBeingRespondedTo == 7
    assert last.Status == 0xB000
    assert last.NumberOfRemainingSuboperations is None
    assert last.NumberOfCompletedSuboperations == 1
    assert last.NumberOfWarningSuboperations == 1
    assert last.NumberOfFailedSuboperations == 1
    named = read_dataset(BytesIO(last.Identifier.getvalue()), True, True)  # noqa: FBT003  pydicom's signature
    assert named.FailedSOPInstanceUIDList == "1.3"


def test_a_success_names_nothing():
    (last,) = answered(
        C_GET(), lambda responder: responder.end(counted(STORED), is_cancelled=False)
    )
    assert (last.Status, last.Identifier) == (0x0000, None)


def test_a_canceled_one_says_what_is_left():
    done = SubOperations(3)
    done.count(STORED)
    (last,) = answered(
        C_MOVE(), lambda responder: responder.end(done, is_cancelled=True)
    )
    assert (last.Status, last.NumberOfRemainingSuboperations) == (0xFE00, 2)


def test_the_list_of_failures_fits_its_element():
    done = SubOperations(70_000)
    uid = "1." + "2" * 62
    for _ in range(70_000):
        done.count(SendResult(uid, 0xA900, PeerUnreachable("no")))
    assert sum(len(one) + 1 for one in done.failed_uids) < 0xFFFE
    assert done.failed == 70_000


def test_a_refusal_has_a_short_comment():
    (last,) = answered(C_MOVE(), lambda responder: responder.refuse(0xA801, "é\\" * 60))
    assert last.Status == 0xA801
    assert len(last.ErrorComment) == 64
