"""What clients write into Accept is understood, and what is none is refused."""

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dicom_node.web.dicomweb.accept import parse, ranges


def asked(*headers, query=""):
    scope = {
        "type": "http",
        "query_string": query.encode(),
        "headers": [(b"accept", one.encode()) for one in headers],
    }
    return ranges(Request(scope))


def test_the_dearest_goes_first_and_what_is_worth_nothing_is_left_out():
    found = asked("a/b; q=0.2, c/d", "e/f;q=0.5, g/h;q=0")
    assert [one.media_type for one in found] == ["c/d", "e/f", "a/b"]


def test_quotation_marks_hold_commas_and_semicolons():
    (one,) = asked('multipart/related; type="image/x; a, b"; transfer-syntax="1.2"')
    assert (one.of, one.transfer_syntax) == ("image/x; a, b", "1.2")
    assert one.is_multipart


def test_a_link_goes_before_the_header():
    (one,) = asked("a/b", query="accept=application/dicom;transfer-syntax=*")
    assert (one.media_type, one.transfer_syntax) == ("application/dicom", "*")


@pytest.mark.parametrize(
    ("written", "takes"),
    [
        ("*/*", True),
        ("application/*", True),
        ("APPLICATION/dicom", True),
        ('multipart/related; type="application/dicom"', True),
        ("multipart/related", True),
        ("image/*", False),
        ('multipart/related; type="image/jls"', False),
    ],
)
def test_ranges_take_what_is_within_them(written, takes):
    (one,) = asked(written)
    assert one.takes("application/dicom") is takes


def test_nothing_is_anything():
    assert [one.media_type for one in asked()] == ["*/*"]
    assert [one.media_type for one in asked("")] == ["*/*"]


@pytest.mark.parametrize(
    "written", ["x", "a/b/c", "a/b;q=much", ",".join(["a/b"] * 99)]
)
def test_what_is_none_is_refused(written):
    with pytest.raises(HTTPException) as refusal:
        asked(written)
    assert refusal.value.status_code == 400


@pytest.mark.parametrize("written", ["", "x", "a/b, c/d"])
def test_a_content_type_is_one(written):
    with pytest.raises(HTTPException):
        parse(written)
