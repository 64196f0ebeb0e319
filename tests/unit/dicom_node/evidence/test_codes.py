"""Codes of the node's own scheme are published."""

from pathlib import Path

from pydicom.sr.coding import Code

from dicom_node.evidence import codes

PAGE = Path(__file__).parents[4] / "docs" / "codes.md"


def codes_in(value):
    if isinstance(value, Code):
        return [value]
    if isinstance(value, dict):
        return [code for each in value.values() for code in codes_in(each)]
    if isinstance(value, tuple):
        return [code for each in value for code in codes_in(each)]
    return []


def test_every_code_of_the_own_scheme_is_published_with_a_definition():
    rows = {
        cells[1].strip().strip("`"): cells
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if len(cells := line.split("|")) == 6
    }
    own = [
        code
        for value in vars(codes).values()
        for code in codes_in(value)
        if code.scheme_designator == codes.OWN_SCHEME
    ]
    assert len(own) > 20
    for code in own:
        _, _, meaning, _, definition, _ = rows[code.value]
        assert meaning.strip() == code.meaning
        assert len(definition.strip()) > 20


def test_the_scheme_is_declared_as_it_is_published():
    declared = codes.own_scheme()
    page = PAGE.read_text(encoding="utf-8")
    assert f"`{declared.CodingSchemeDesignator}`" in page
    assert f"| {declared.CodingSchemeName} |" in page
    assert f"| {declared.CodingSchemeVersion} |" in page
    assert codes.OWN_SCHEME_UID in page
