"""Every sample goes through the node over DIMSE and ends in its one right state.

``test_sample_files`` looks at reading them; here they come by C-STORE, and what an
administrator sees afterwards is what counts.
"""

import pytest

from dicom_node.errors import ClassNotAccepted, DatasetInvalid
from tests.nodes import (
    EVIDENCE,
    ScriptedNode,
    destination,
    get,
    send,
    settings,
    wait_for_state,
)
from tests.pacs import PACS

NOT_ELIGIBLE = {
    "RG3_J2KI.dcm": "NOT_CHEST",
    "RG3_JLSN.dcm": "NOT_CHEST",
    "RG3_JPLL.dcm": "NOT_CHEST",
    "RG3_RLE.dcm": "IMAGE_TYPE",
    "sc_ct_scout_abdomen.dcm": "MODALITY",
    "broken/RG3_JPLY_undecodable.dcm": "NOT_CHEST",
    "broken/dx_agfa_nopixeldata.dcm": "NOT_CHEST",
    "broken/sc_65535x65535_tiny_pixeldata.dcm": "MODALITY",
}
NOT_ACCEPTED = ("ct_bigendian.dcm", "broken/no_pixel_data.dcm")
"""SOP classes that are refused at association time."""

OTHER_BYTES = (
    "broken/RG1_JLSN_truncated_half.dcm",
    "rsna_16d7f894_mistagged_MONOCHROME1.dcm",
)
"""They carry the SOP Instance UID of another sample."""

NOT_DICOM = "broken/udacity_test1_is_html.dcm"


@pytest.fixture(scope="module")
def folder(shared_dir):
    return shared_dir / "data" / "cxr" / "dicom"


@pytest.fixture(scope="module")
def seen(folder, tmp_path_factory):
    """File -> its C-STORE result and the state it ended in; and what the PACS got."""
    data, pacs = tmp_path_factory.mktemp("node"), PACS()
    ends = {}
    with (
        pacs.listening() as port,
        ScriptedNode(settings(data, [destination("pacs", port)])) as node,
    ):
        files = sorted(
            folder.rglob("*.dcm"),
            key=lambda path: (str(path.relative_to(folder)) in OTHER_BYTES, path),
        )
        for path in files:
            name = str(path.relative_to(folder))
            if name == NOT_DICOM:
                continue
            (result,) = send(node, path)
            state = None
            if result.error is None:
                uid = result.sop_instance_uid
                state = wait_for_state(
                    node, uid, "delivered", "not eligible", "failed", timeout_s=120
                )
            ends[name] = (result, state)
        assert get(node, "/health/ready")["status"] == "ready"
    return ends, pacs


@pytest.mark.slow
def test_every_frontal_chest_radiograph_is_delivered(seen):
    ends, pacs = seen
    others = {*NOT_ELIGIBLE, *NOT_ACCEPTED, *OTHER_BYTES}
    films = {name: end for name, end in ends.items() if name not in others}
    assert len(films) == 19
    for name, (result, state) in films.items():
        assert (name, result.status, state["state"]) == (name, 0x0000, "delivered")
    assert len(pacs.held) == len(films) * len(EVIDENCE)


@pytest.mark.parametrize("name", NOT_ELIGIBLE)
def test_what_is_none_is_stored_and_says_why(seen, name):
    result, state = seen[0][name]
    assert result.status == 0x0000
    assert state["state"] == "not eligible"
    assert state["reason"]["code"] == NOT_ELIGIBLE[name]


@pytest.mark.parametrize("name", NOT_ACCEPTED)
def test_other_classes_are_refused_before_they_are_sent(seen, name):
    result, _ = seen[0][name]
    assert isinstance(result.error, ClassNotAccepted)


@pytest.mark.parametrize("name", OTHER_BYTES)
def test_other_bytes_under_a_known_uid_do_not_replace_the_first(seen, name):
    result, state = seen[0][name]
    assert result.status == 0x0111
    assert state["state"] == "delivered"


def test_a_web_page_is_no_dicom_file(folder):
    with pytest.raises(DatasetInvalid):
        send(9, folder / NOT_DICOM)


def test_a_film_cut_in_the_middle_ends_failed_with_its_reason(folder, tmp_path):
    with ScriptedNode(settings(tmp_path)) as node:
        (result,) = send(node, folder / OTHER_BYTES[0])
        state = wait_for_state(node, result.sop_instance_uid, "failed")
        later = folder / "wrapped_00_nih_00010773_017.dcm"
        (after,) = send(node, later)
        wait_for_state(node, after.sop_instance_uid, "delivered")
    assert result.status == 0x0000
    assert state["reason"]["code"] == "PIXELS_UNDECODABLE"
