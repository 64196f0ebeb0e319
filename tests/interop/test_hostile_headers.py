"""Under whatever header, results are valid by a foreign validator, or one clear reason
says why there are none; and no job is stuck."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR

from dicom_node.dataset.quiet import quiet
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import encode as evidence
from tests.factories import nodes
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.mutations import (
    CHARACTER_SETS,
    CONTENTS,
    COPIED,
    SEQUENCES,
    everywhere,
    put,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS
from tests.peers.validators import dciodvfy

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore::UserWarning")]
CR, DX = "RG1_J2KI.dcm", "broken/dx_agfa_nopixeldata.dcm"
# A UID of the film that is none by PS3.5 9.1 is repeated as it was sent.
ITS_UIDS = (
    "Error - Illegal root for UID",
    "Error - Value invalid for this VR",
    "Error - Dicom dataset contains invalid data values",
)
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
KINDS = ("segmentation", "measurement-report", "presentation-state")
# The film's own tables, repeated as they stand, say 16 bits of 15, or 12.
THE_FILMS_OWN = (
    "Error - LookupTableData bad - Softcopy VOI LUT",
    "Error - Unrecognized enumerated value <0xc> for value 3 of attribute <LUT Desc",
    "Error - Unrecognized enumerated value <0xf> for value 3 of attribute <LUT Desc",
)
ROWS, COLUMNS = 40, 31
FRAME = a_frame(ROWS, COLUMNS)
ANALYSIS = an_analysis(FRAME)


def header_of(shared_dir, name):
    """A real header, over a film small enough to try many."""
    source = dcmread(shared_dir / "data/cxr/dicom" / name, stop_before_pixels=True)
    source.Rows, source.Columns = ROWS, COLUMNS
    return source


def errors_of(source, folder):
    """What the validator finds in the results, if the source gives any."""
    items = evidence.encode_all(KINDS, a_subject(source), FRAME, ANALYSIS)
    assert [item.kind for item in items] == list(KINDS)
    found = []
    for item in items:
        path = folder / f"{item.kind}.dcm"
        path.write_bytes(item.content)
        found += [line for line in dciodvfy(path) if line.startswith("Error")]
    with quiet():
        written = [str(source.get(keyword, "")).strip(" \0") for keyword in UIDS]
    odd = not all(re.fullmatch(r"[0-2](\.(0|[1-9]\d*))+", uid) for uid in written)
    expected = THE_FILMS_OWN + (ITS_UIDS if odd else ())
    return [line for line in found if not line.startswith(expected)]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(len(CONTENTS)))
def test_results_are_valid_with_something_odd_in_every_attribute(
    turn, shared_dir, tmp_path
):
    source = header_of(shared_dir, (CR, DX)[turn // 2 % 2])
    everywhere(source, turn)
    assert errors_of(source, tmp_path) == []


def contents_for(keyword):
    odd = SEQUENCES if dictionary_VR(keyword) == "SQ" else CONTENTS
    return st.tuples(st.just(keyword), st.sampled_from((None, *odd)))


CHANGES = st.tuples(
    st.lists(st.sampled_from(COPIED).flatmap(contents_for), min_size=1, max_size=6),
    st.sampled_from(CHARACTER_SETS),
)


@pytest.mark.slow
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES, name=st.sampled_from([CR, DX]))
def test_any_real_header_gives_valid_results_or_one_clear_reason(
    changes, name, shared_dir, tmp_path
):
    source = header_of(shared_dir, name)
    for keyword, content in changes[0]:
        put(source, keyword, content)
    put(source, "SpecificCharacterSet", changes[1])
    try:
        errors = errors_of(source, tmp_path)
    except EvidenceInvalid as reason:
        assert str(reason).startswith("the source has no")  # noqa: PT017
    else:
        assert errors == []


DELIVERED = {
    "no identity": dict.fromkeys(
        ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID")
    ),
    "sex unknown": {"PatientSex": b"U "},
    "character sets": {
        "SpecificCharacterSet": b"\\ISO 2022 IR 87",
        "PatientName": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B ",
    },
    "letters of no character set": {"PatientName": b"M\xfcller^J\xf6rg "},
    "an unknown character set": {"SpecificCharacterSet": b"KLINGON "},
    "dates and numbers": {
        "StudyDate": b"20261399",
        "StudyTime": b"25:61 ",
        "PixelSpacing": b"0,143\\-1",
        "WindowWidth": b"NaN ",
        "RescaleSlope": b"1e400 ",
    },
    "over-long texts": {
        "AccessionNumber": b"A" * 40,
        "InstitutionName": b"I" * 200,
        "PatientName": b"N" * 300,
        "StudyDescription": b"one\\two\\three ",
    },
    "requests": {"RequestAttributesSequence": b""},
    "thousands of private elements": {},
}
REFUSED = {
    "a study without a UID": {"StudyInstanceUID": b""},
    "a study UID of letters": {"StudyInstanceUID": b"study one"},
    "a study UID with a zero": {"StudyInstanceUID": b"1.2.03.4"},
    "a study UID too long": {"StudyInstanceUID": b"1." + b"2" * 64},
    "a series without a UID": {"SeriesInstanceUID": None},
    "a patient ID of 200 characters": {"PatientID": b"P" * 200},
    "two patient IDs": {"PatientID": b"P1\\P2 "},
}


def files(changes, folder):
    """Films with pixels, each with its defect: name -> (UID, path)."""
    made = {}
    for seed, (name, changed) in enumerate(changes.items()):
        film = synthetic_dataset("CR", seed, rows=400, columns=388)
        for keyword, content in changed.items():
            put(film, keyword, content)
        if "private" in name:
            block = film.private_block(0x0099, "VENDOR", create=True)
            for offset in range(250):
                block.add_new(offset, "OB", bytes([offset]) * 40_000)
        made[name] = (film.SOPInstanceUID, nodes.save(film, folder))
    return made


def test_every_film_that_a_running_node_takes_ends_with_results_or_a_reason(tmp_path):
    pacs, folder = PACS(), tmp_path / "films"
    folder.mkdir()
    good, bad = files(DELIVERED, folder), files(REFUSED, folder / "..")
    with pacs.listening():
        settings_ = nodes.settings(tmp_path, [nodes.destination("pacs", pacs.port)])
        with nodes.scripted_node(settings_) as node:
            for uid, path in good.values():
                (stored,) = nodes.send(node, path)
                assert (uid, stored.status) == (uid, 0x0000)
            for uid, path in bad.values():
                (stored,) = nodes.send(node, path)
                if stored.status == 0x0000:
                    assert_fails_with_a_reason(node, uid)
            for uid, _ in good.values():
                nodes.wait_for_state(node, uid, "delivered", timeout_s=300)
    sources = {uid for uid, _ in good.values()}
    assert len(pacs.stores) == len(nodes.EVIDENCE) * len(sources)
    for number, (_, content) in enumerate(pacs.stores):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(content)


def assert_fails_with_a_reason(node, uid):
    seen = nodes.wait_for_state(node, uid, "failed", timeout_s=300)
    assert seen["reason"]["code"] == "EVIDENCE_INVALID"
    assert seen["reason"]["text"].startswith("the source has no valid")
