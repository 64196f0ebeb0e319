"""Results for every real and wrapped chest film at hand are valid."""

import pytest
from pydicom import dcmread

from dicom_node.evidence import encode as evidence
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.peers.validators import dciodvfy

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore::UserWarning")]
KINDS = [
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "presentation-state",
]
# The presentation state repeats the film's own table, which says 16 bits of 15.
# The film's own tables, repeated as they stand, say 16 bits of 15.
THE_FILMS_OWN = (
    "Error - LookupTableData bad - Softcopy VOI LUT",
    "Error - Unrecognized enumerated value <0xf> for value 3 of attribute <LUT Desc",
)
FILMS = [
    "RG1_J2KI.dcm",
    "RG3_RLE.dcm",
    "rsna_16d7f894_cr_jpegbaseline.dcm",
    "sc_ct_scout_abdomen.dcm",
    "wrapped_00_nih_00010773_017.dcm",
    "wrapped_01_nih_00004342_054.dcm",
    "wrapped_05_ieee_pneumocystis-pneumonia-1.dcm",
    "broken/dx_agfa_nopixeldata.dcm",
]


@pytest.mark.parametrize("name", FILMS)
def test_results_under_a_real_header_are_valid(name, shared_dir, tmp_path):
    source = dcmread(shared_dir / "data/cxr/dicom" / name, stop_before_pixels=True)
    frame = a_frame(source.Rows, source.Columns)
    analysis = an_analysis(frame)
    items = evidence.encode_all(KINDS, a_subject(source), frame, analysis)
    assert len(items) == len(KINDS)
    for item in items:
        path = tmp_path / f"{item.kind}.dcm"
        path.write_bytes(item.content)
        errors = [line for line in dciodvfy(path) if line.startswith("Error")]
        assert all(line.startswith(THE_FILMS_OWN) for line in errors), errors
        assert item.dataset.PatientID == source.PatientID
