import subprocess
import sys

from dicom_node.evidence.kinds import (
    KINDS,
    ON_REQUEST,
    REPORTS,
    REWRITTEN,
    STAND_INS,
    USUAL,
    EvidenceKind,
)


def test_every_kind_has_its_row():
    assert list(KINDS) == list(EvidenceKind)


def test_what_stands_in_may_be_asked_for_and_is_something_else():
    for kind, others in STAND_INS.items():
        assert set(others) <= set(ON_REQUEST)
        assert kind not in others


def test_what_is_usual_may_be_asked_for():
    assert set(USUAL) <= set(ON_REQUEST)


def test_a_note_is_not_asked_for():
    assert set(EvidenceKind) - set(ON_REQUEST) == {EvidenceKind.REJECTION_NOTE}


def test_only_the_report_is_rewritten():
    originals = {KINDS[kind].rewrites for kind in REWRITTEN}
    assert originals == {EvidenceKind.MEASUREMENT_REPORT}
    assert set(REPORTS) == originals | set(REWRITTEN)


def test_kinds_of_one_order_are_one_series_of_one_modality():
    for kind, facts in KINDS.items():
        same = [other for other, row in KINDS.items() if row.order == facts.order]
        assert len(same) == 1 or set(same) == set(REPORTS), kind


def test_naming_a_kind_loads_no_encoder():
    heavy = "{'highdicom', 'reportlab', 'scipy'}"
    code = f"import sys, dicom_node.evidence.kinds; print({heavy} & set(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"
