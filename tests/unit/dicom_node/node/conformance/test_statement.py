import pytest

from dicom_node.dimse.presentation import SERVICE_CLASSES
from dicom_node.evidence.kinds import KINDS
from dicom_node.node.conformance import statement as conformance
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebLimits, DicomwebParts
from dicom_node.web.dicomweb.router import FACES
from dicom_node.web.dicomweb.services import SERVICES
from storage.held import ATTRIBUTES


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


def test_it_names_every_resource_that_is_served(statement):
    parts = DicomwebParts(None, None, None, DicomwebLimits(1, 1, 1, 1))
    served = {
        (method, route.path)
        for face in FACES
        for route in face(parts).routes
        for method in route.methods - {"HEAD"}
    }
    claimed = {(one.method, f"{PREFIX}{one.path}") for one in SERVICES}
    assert served - {("GET", PREFIX), ("GET", f"{PREFIX}/")} == claimed
    for method, path in claimed:
        assert f"| {method} | {path} |" in statement


def test_it_names_every_attribute_that_is_matched(statement):
    for keyword, attribute in ATTRIBUTES.items():
        assert f"| {keyword} | {attribute.level} | {attribute.kind} |" in statement
