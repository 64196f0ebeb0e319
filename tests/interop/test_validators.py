import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_node.evidence import codes
from dicom_node.evidence import encode as evidence
from dicom_node.evidence.past import ObjectReference, Prior
from dicom_node.evidence.subject import Subject
from tests.factories.analyses import NOW, a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset
from tests.peers.validators import dciodvfy, dcmpschk, dicom_sr_validator, dsrdump

pytestmark = pytest.mark.interop

ROWS, COLUMNS = 255, 201
REPORT = ObjectReference(
    "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2.3.6"
)


def a_request():
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "CXR2", "99SITE"
    code.CodeMeaning = "Chest two views"
    request = Dataset()
    request.AccessionNumber = "A77"
    request.RequestedProcedureID = "RP1"
    request.RequestedProcedureDescription = "Chest X-ray"
    request.RequestedProcedureCodeSequence = [code]
    request.ScheduledProcedureStepID = "SPS1"
    return request


SOURCES = {
    "CR inverted": {
        "kind": "CR",
        "photometric": "MONOCHROME1",
        "PixelSpacing": None,
        "ImagerPixelSpacing": ["0.2", "0.2"],
        "RequestAttributesSequence": [a_request()],
    },
    "DX calibrated": {"kind": "DX", "PixelSpacing": ["0.17", "0.17"]},
    "SC": {"kind": "SC"},
    "bare": {
        "kind": "CR",
        **dict.fromkeys(
            (
                "PatientName",
                "PatientID",
                "PatientBirthDate",
                "PatientSex",
                "AccessionNumber",
                "StudyID",
                "StudyDate",
                "StudyTime",
                "ReferringPhysicianName",
                "SeriesNumber",
                "Manufacturer",
                "PatientOrientation",
                "WindowCenter",
                "WindowWidth",
            )
        ),
    },
}


@pytest.fixture(params=sorted(SOURCES))
def source(request):
    changes = dict(SOURCES[request.param])
    return synthetic_dataset(changes.pop("kind"), rows=ROWS, columns=COLUMNS, **changes)


@pytest.fixture
def frame():
    return a_frame(ROWS, COLUMNS, remarks=("The film is rotated.",))


def write(folder: Path, items):
    paths = {}
    for item in items:
        paths[item.kind] = folder / f"{item.kind}.dcm"
        paths[item.kind].write_bytes(item.content)
    return paths


@pytest.mark.parametrize("opacities", [None, ()], ids=["opacities", "no opacity"])
def test_dciodvfy_finds_nothing_in_any_object(source, frame, opacities, tmp_path):
    subject = a_subject(
        source,
        prior=Prior(NOW - timedelta(days=9), 10.0, 12.0, 8.0, REPORT),
        predecessor=REPORT,
    )
    analysis = an_analysis(frame, opacities)
    items = evidence.encode_all(evidence.MAKING, subject, frame, analysis)
    for kind, path in write(tmp_path, items).items():
        if kind != "label-map":  # younger than the tool (Supplement 243)
            assert dciodvfy(path) == [], kind


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "opacities", "prior"),
    [
        ("measurement-report", None, Prior(NOW, 1.0, 1.0, 1.0, REPORT)),
        ("measurement-report-enhanced", (), None),
    ],
)
def test_the_template_validator_finds_nothing_in_the_report(
    kind, opacities, prior, frame, tmp_path
):
    source = synthetic_dataset("CR", rows=ROWS, columns=COLUMNS)
    framed = dataclasses.replace(frame, pixel_spacing_mm=(0.2, 0.2))
    analysis = an_analysis(framed, opacities)
    subject = a_subject(source, prior=prior)
    items = evidence.encode_all([kind], subject, framed, analysis)
    (path,) = write(tmp_path, items).values()
    assert dicom_sr_validator(path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices", [{"report_regions": "segmentation"}, {"image_level": "tid1501"}]
)
def test_validators_find_nothing_in_the_other_forms_of_a_report(
    choices, frame, tmp_path
):
    source = synthetic_dataset("DX", rows=ROWS, columns=COLUMNS)
    items = evidence.encode_all(
        ["measurement-report"], a_subject(source, **choices), frame, an_analysis(frame)
    )
    (path,) = write(tmp_path, items).values()
    assert dciodvfy(path) == []
    assert dicom_sr_validator(path) == []


@pytest.mark.slow
def test_validators_find_nothing_in_a_report_of_no_analysis(tmp_path):
    source = synthetic_dataset("CR", rows=ROWS, columns=COLUMNS)
    report = evidence.encode_not_analysable(
        a_subject(source),
        codes.not_analysed("NO_LUNGS", "No pair of lungs was found."),
        "No pair of lungs was found.",
    )
    path = tmp_path / "report.dcm"
    path.write_bytes(report.content)
    assert dciodvfy(path) == []
    assert dicom_sr_validator(path) == []
    assert "No pair of lungs was found" in dsrdump(path)


@pytest.mark.slow
def test_validators_find_nothing_in_a_rejection_note(frame, tmp_path):
    source = synthetic_dataset("DX", rows=ROWS, columns=COLUMNS)
    made = [
        item.dataset
        for item in evidence.encode_all(
            evidence.MAKING, a_subject(source), frame, an_analysis(frame)
        )
    ]
    rejected = [
        ObjectReference(
            item.SOPClassUID,
            item.SOPInstanceUID,
            item.SeriesInstanceUID,
            item.StudyInstanceUID,
        )
        for item in made
    ]
    usual = a_subject(source)
    study = Subject.of_study(
        made[0], sha256="", created_at=usual.created_at, maker=usual.maker
    )
    note = evidence.encode_rejection_note(study, rejected, "Recalled.")
    path = tmp_path / "note.dcm"
    path.write_bytes(note.content)
    assert dciodvfy(path) == []
    assert dicom_sr_validator(path) == []


def test_dcmtk_accepts_the_presentation_state(source, frame, tmp_path):
    items = evidence.encode_all(
        ["presentation-state"], a_subject(source), frame, an_analysis(frame)
    )
    verdict = dcmpschk(write(tmp_path, items)["presentation-state"])
    complaints = [line for line in verdict.splitlines() if line.startswith("E:")]
    # DCMTK wants a patient's name; where the source has none, there is none to give.
    nameless = "patientName absent or empty" in verdict and not source.get(
        "PatientName"
    )
    assert complaints == []
    assert nameless or "Test passed" in verdict
    assert "exit status 0" in verdict


def test_dcmtk_renders_the_report_with_its_numbers(source, frame, tmp_path):
    analysis = an_analysis(frame)
    items = evidence.encode_all(
        ["measurement-report"], a_subject(source), frame, analysis
    )
    text = dsrdump(write(tmp_path, items)["measurement-report"])
    assert "exit status 0" in text
    assert f'="{round(analysis.severity.total, 2)}" (%,UCUM' in text
    assert text.count("POLYLINE") == 3 + len(analysis.findings)


def test_a_film_of_dozens_of_findings_is_valid(tmp_path):
    frame = a_frame(300, 301)
    squares = []
    for number in range(40):
        mask = np.zeros((300, 301), dtype=np.bool_)
        row, column = 40 + 20 * (number // 6), 60 + 30 * (number % 6)
        mask[row : row + 3, column : column + 5] = True
        squares.append(mask)
    source = synthetic_dataset("DX", rows=300, columns=301)
    kinds = ["segmentation", "measurement-report", "presentation-state", "pdf"]
    items = evidence.encode_all(
        kinds, a_subject(source), frame, an_analysis(frame, squares)
    )
    for kind, path in write(tmp_path, items).items():
        assert dciodvfy(path) == [], kind
