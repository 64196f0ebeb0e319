"""Real images of many vendors and syntaxes come in exactly as they are."""

from pydicom.uid import UID

from dicom_node.dimse.presentation import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.dimse.scu.storage import Outgoing, send
from tests.peers.receiving import MODALITY, PATIENT


def test_real_images_are_stored_exactly_as_sent(node, shared_dir):
    folder = shared_dir / "data" / "cxr" / "dicom"
    files = [Outgoing.read(path) for path in sorted(folder.glob("*.dcm"))]
    accepted = [
        file
        for file in files
        if UID(file.sop_class_uid) in STORAGE_CLASSES
        and UID(file.transfer_syntax_uid) in TRANSFER_SYNTAXES
    ]
    assert len(accepted) > 10
    seen: set[str] = set()
    results = send(accepted, node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    for file, result in zip(accepted, results, strict=True):
        known = file.sop_instance_uid in seen
        seen.add(file.sop_instance_uid)
        assert result.status in ({0x0000, 0x0111} if known else {0x0000}), (
            file.path.name
        )
        if result.status == 0x0000 and not known:
            sent = file.path.read_bytes()
            stored = node.receiver.stored(file.sop_instance_uid)
            assert stored[-1000:] == sent[-1000:]
            assert stored[data_at(stored) :] == sent[data_at(sent) :]
    assert node.receiver.half_written() == []


def data_at(file: bytes) -> int:
    assert file[128:132] == b"DICM"
    return 144 + int.from_bytes(file[140:144], "little")
