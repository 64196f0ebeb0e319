"""One instance by WADO-RS: from a configured source, bounded, and nothing else."""

from io import BytesIO

import pytest

from dicom_node.errors import PeerBusy, PeerRefused, PeerUnreachable
from dicom_node.retrieve.wado import (
    FetchLimits,
    ImageServer,
    InstanceReference,
    fetch,
    source_of,
)
from tests.peers.wado import multipart, origin, redirect, send

WANTED = InstanceReference("1.1", "1.2", "1.3")
PLACE = "/dicom-web/studies/1.1/series/1.2/instances/1.3"
LIMITS = FetchLimits(bytes=4_000_000, total_s=20)
PACS = ImageServer("https://pacs.example/dicom-web")
OBJECT = bytes(range(256)) * 4096


@pytest.fixture
def source():
    with origin() as said:
        yield said


def fetched(source, limits=LIMITS):
    into = BytesIO()
    fetch(ImageServer(source.url), WANTED, into, limits)
    return into.getvalue()


def answered(kind, body, status=200):
    return lambda request: send(request, status, body, {"Content-Type": kind})


@pytest.mark.parametrize(
    "url",
    [
        "https://pacs.example/dicom-web/studies/1.1",
        "https://pacs.example:443/dicom-web/studies/1.1/series/1.2",
        "https://PACS.example/dicom-web/studies/1.1/series/1.2/instances/1.3",
    ],
)
def test_a_url_of_a_configured_source_names_it(url):
    assert source_of(url, [PACS]) is PACS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://pacs.example/dicom-web/studies/1.1",
        "https://pacs.example:8443/dicom-web/studies/1.1",
        "https://pacs.example.evil/dicom-web/studies/1.1",
        "https://pacs.example@evil.example/dicom-web/studies/1.1",
        "https://evil.example/https://pacs.example/dicom-web/studies/1.1",
        "https://pacs.example/dicom-web/../admin/studies/1.1",
        "https://pacs.example/dicom-web/%2e%2e/studies/1.1",
        "https://pacs.example/dicom-web-other/studies/1.1",
        "https://pacs.example/dicom-web/studies/1.1?x=1",
        "https://pacs.example/dicom-web\\@evil.example/studies/1.1",
        "https://pacs.example:port/dicom-web/studies/1.1",
        "ftp://pacs.example/dicom-web/studies/1.1",
    ],
)
def test_any_other_url_names_none(url):
    assert source_of(url, [PACS]) is None


@pytest.mark.parametrize("boundary", ["b", "a-boundary", "x" * 70])
def test_the_part_is_given_to_its_last_byte(source, boundary):
    body = OBJECT + b"\r\n--" + boundary[:-1].encode()
    source.answers[PLACE] = multipart(body, boundary=boundary)
    assert fetched(source) == body


def test_a_single_part_is_the_whole_body(source):
    source.answers[PLACE] = answered("application/dicom", OBJECT)
    assert fetched(source) == OBJECT


@pytest.mark.parametrize(
    "answer",
    [
        redirect("/dicom-web/studies/1.1/series/1.2/instances/1.4"),
        answered("text/html", b"<html>"),
        answered("multipart/related", b"\r\n--b\r\n\r\nabc\r\n--b--"),
        answered("multipart/related; boundary=b", b"x" * 10_000),
        answered("application/dicom", OBJECT, 404),
        answered("application/dicom", OBJECT, 401),
        multipart(OBJECT * 5),
    ],
)
def test_what_is_no_image_is_refused(source, answer):
    source.answers[PLACE] = answer
    with pytest.raises(PeerRefused):
        fetched(source)
    assert len(source.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_source_in_trouble_may_be_asked_again(source, status):
    source.answers[PLACE] = answered("text/plain", b"", status)
    with pytest.raises(PeerBusy):
        fetched(source)


def test_an_answer_that_is_cut_short_may_be_asked_for_again(source):
    kind = "multipart/related; boundary=b"
    source.answers[PLACE] = answered(kind, b"\r\n--b\r\n\r\nhalf of an image")
    with pytest.raises(PeerUnreachable):
        fetched(source)


def test_a_source_that_is_not_there_may_be_asked_again(free_port):
    with pytest.raises(PeerUnreachable):
        fetch(ImageServer(f"http://127.0.0.1:{free_port}"), WANTED, BytesIO(), LIMITS)


def test_a_slow_source_is_left(source):
    source.answers[PLACE] = multipart(OBJECT)
    with pytest.raises(PeerUnreachable):
        fetched(source, FetchLimits(bytes=4_000_000, total_s=1e-9))


def test_a_token_is_shown_to_no_log():
    assert "secret" not in repr(ImageServer("https://pacs.example", "secret"))
