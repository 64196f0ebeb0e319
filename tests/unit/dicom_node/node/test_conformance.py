import pytest

from dicom_node.dimse.presentation import SERVICE_CLASSES
from dicom_node.evidence.kinds import KINDS
from dicom_node.node import conformance


@pytest.fixture(scope="module")
def statement():
    return conformance.write()


def test_it_names_every_accepted_class_and_transfer_syntax(statement):
    for classes, syntaxes in SERVICE_CLASSES.values():
        for uid in (*classes, *syntaxes):
            assert f"| {uid} |" in statement


def test_it_names_the_class_of_every_kind_of_result(statement):
    rows = statement.splitlines()
    for kind, facts in KINDS.items():
        assert any(kind in row and str(facts.sop_class) in row for row in rows)


def test_it_tells_the_statuses_that_are_sent_and_understood(statement):
    for status in ("A700", "A900", "C000", "0110", "0111", "0122", "B007"):
        assert f"| {status}" in statement or f", {status}" in statement


def test_it_claims_no_class_twice(statement):
    overview = statement.split("## Associations")[0]
    rows = [line for line in overview.splitlines() if line.startswith("| ")]
    assert len(rows) == len(set(rows))
