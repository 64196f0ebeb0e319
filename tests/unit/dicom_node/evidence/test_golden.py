"""UIDs and bytes of results, pinned: the same film and settings give the same objects.

``golden.json`` holds, for each film and kind, the SOP Instance UID and the SHA-256 of
the Part 10 file. A change there is a change of what hospitals receive: it needs another
software version. ``CXR_GOLDEN=write`` writes the file anew.
"""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node.evidence import codes, rejection_note
from dicom_node.evidence.encode import MAKING, encode_all, part_10
from dicom_node.evidence.past import ObjectReference, Prior
from dicom_node.evidence.report import not_analysable
from dicom_node.evidence.subject import Subject
from inference.frame import Orientation
from tests.factories.analyses import a_frame, a_maker, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

GOLDEN = Path(__file__).with_name("golden.json")
FINGERPRINT = "84e9b9b2631bfa735b5a7c12a3b22d1b5907948c7f9e3e49d091d71a8d86dff4"
ZONE = {"TimezoneOffsetFromUTC": "+0100"}
_REPORT = ObjectReference("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2")
_IMAGE = ObjectReference("1.2.840.10008.5.1.4.1.1.1", "1.2.4.4", "1.2.4.5", "1.2.4")
PRIOR = Prior(
    acquired_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    total=12.34,
    right=3.21,
    left=20.0,
    report=_REPORT,
    image=_IMAGE,
    model="scripted 1 (SHA-256 000000000000)",
)
FILMS = {
    "computed radiograph": (("CR", ZONE), {}, {}),
    "digital, calibrated, follow-up": (
        ("DX", ZONE),
        {"spacing_mm": (1.4, 1.4)},
        {"prior": PRIOR},
    ),
    "secondary capture, nothing found": (("SC", ZONE), {}, {}),
    "inverted, own root, strict geometry": (
        ("CR", ZONE | {"photometric": "MONOCHROME1", "bits_stored": 10}),
        {"remarks": ("The film is small.",)},
        {
            "uid_root": "1.2.276.0.99",
            "serial_number": "S-1",
            "viewer_geometry": "strict",
            "series_number_base": 500,
            "settings_digest": "ab" * 32,
        },
    ),
    "regions in the SEG, replaced, uncompared": (
        ("CR", ZONE | {"seed": 3}),
        {},
        {
            "report_regions": "segmentation",
            "image_level": "tid1501",
            "uncompared": PRIOR,
            "predecessor": _REPORT,
        },
    ),
    "turned, Latin-1, compressed": (
        (
            "DX",
            ZONE
            | {
                "SpecificCharacterSet": "ISO_IR 100",
                "PatientName": "Müller^Jörg",
                "PatientOrientation": ["R", "H"],
                "LossyImageCompression": "01",
                "LossyImageCompressionRatio": 12.5,
                "LossyImageCompressionMethod": "ISO_10918_1",
            },
        ),
        {"orientation": Orientation(flip_rows=True, flip_columns=True)},
        {},
    ),
    "for processing": (("DX-PROCESSING", ZONE), {}, {}),
}


def of_film(name):
    """Every result of a film: kind -> UID and digest."""
    (kind, header), drawn, wanted = FILMS[name]
    frame = a_frame(256, 200, **drawn)
    source = synthetic_dataset(kind, rows=256, columns=200, **header)
    analysis = an_analysis(frame, () if "nothing found" in name else None)
    subject = a_subject(source, **wanted)
    made = encode_all(MAKING, subject, frame, analysis)
    found = {item.kind: pinned(item.dataset, item.content) for item in made}
    report = not_analysable.encode(
        subject,
        codes.not_analysed("NO_LUNGS", "No pair of lungs was found."),
        "No pair of lungs was found.",
    )
    found["not analysable"] = pinned(report, part_10(report))
    held = [
        ObjectReference(
            str(item.dataset.SOPClassUID),
            str(item.dataset.SOPInstanceUID),
            str(item.dataset.SeriesInstanceUID),
            str(item.dataset.StudyInstanceUID),
        )
        for item in made
    ]
    study = Subject.of_study(
        made[0].dataset,
        sha256=subject.sha256,
        created_at=subject.created_at,
        maker=subject.maker,
        style=subject.style,
    )
    note = rejection_note.encode(study, held, "Recalled.")
    found["rejection-note"] = pinned(note, part_10(note))
    return found


def pinned(dataset, content):
    return [str(dataset.SOPInstanceUID), hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize("name", FILMS)
def test_results_are_what_they_were(name):
    if os.environ.get("CXR_GOLDEN") == "write":
        known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        text = json.dumps(known | {name: of_film(name)}, indent=1, sort_keys=True)
        GOLDEN.write_text(text + "\n")
    assert of_film(name) == json.loads(GOLDEN.read_text())[name]


def test_the_fingerprint_of_the_maker_is_what_it_was():
    assert a_maker().fingerprint == FINGERPRINT
