import struct
from io import BytesIO

import pytest
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import decode

from dicom_node.dimse.acceptor.messages import Malformed, encode_response, split


def value(context_id: int, control: int, data: bytes, length: int | None = None):
    length = len(data) + 2 if length is None else length
    return struct.pack(">IBB", length, context_id, control) + data


def test_a_pdu_is_split_into_its_values():
    body = value(1, 3, b"abc") + value(1, 0, b"") + value(5, 2, b"defg")
    fragments = [
        (part.context_id, part.control, bytes(part.data))
        for part in split(memoryview(body))
    ]
    assert fragments == [(1, 3, b"abc"), (1, 0, b""), (5, 2, b"defg")]


@pytest.mark.parametrize(
    "body",
    [
        b"\x00",
        value(1, 3, b"abc")[:-1],
        value(1, 3, b"", length=0),
        value(1, 3, b"", length=1),
        value(1, 3, b"abc", length=0xFFFFFFFF),
        value(1, 3, b"abc") + b"\x00\x00",
    ],
)
def test_contradicting_lengths_are_malformed(body):
    with pytest.raises(Malformed):
        list(split(memoryview(body)))


@pytest.mark.parametrize("comment", [None, "odd", "even"])
def test_a_response_is_encoded_as_the_standard_says(comment):
    response = C_STORE()
    response.MessageIDBeingRespondedTo = 7
    response.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    response.AffectedSOPInstanceUID = "1.2.34"
    response.Status = 0xA700
    response.ErrorComment = comment
    encoded = encode_response(response)
    command = decode(BytesIO(encoded), is_implicit_vr=True, is_little_endian=True)
    assert command.CommandGroupLength == len(encoded) - 12
    assert command.CommandField == 0x8001
    assert command.MessageIDBeingRespondedTo == 7
    assert command.CommandDataSetType == 0x0101
    assert command.AffectedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
    assert command.AffectedSOPInstanceUID == "1.2.34"
    assert command.Status == 0xA700
    assert command.get("ErrorComment") == comment
    tags = [int(element.tag) for element in command]
    assert tags == sorted(tags)
