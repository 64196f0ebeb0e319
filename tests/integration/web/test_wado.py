"""WADO against a running node: objects, frames, metadata, pictures."""

import json
from contextlib import closing
from io import BytesIO

import httpx2
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid

from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.jpeg_xl import JPEG_XL_LOSSLESS
from dicom_node.dataset.pixels.transcoding import TARGETS
from dicom_node.phantom.dataset import synthetic_dataset
from tests.factories.nodes import save, scripted_node, send, settings, wait_for_state

PLAIN = synthetic_dataset("DX", 2, rows=64, columns=64)
EVIDENCE_CLASSES = {
    uid.SegmentationStorage,
    uid.Comprehensive3DSRStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
}


TALL = synthetic_dataset(
    "CR",
    3,
    rows=64,
    columns=96,
    transfer_syntax=JPEG_XL_LOSSLESS,
    PixelSpacing=[0.4, 0.2],
)
"""A film in JPEG XL, of pixels twice as tall as wide."""


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A node that holds a film with its results, and one in JPEG lossless."""
    folder = tmp_path_factory.mktemp("node")
    film = synthetic_dataset("CR", 1, rows=512, columns=448)
    packed = synthetic_dataset(
        "DX", 2, rows=64, columns=64, transfer_syntax=uid.JPEGLosslessSV1
    )
    packed.add_new(0x00091010, "OB", bytes(range(256)) * 8)
    packed.add_new(0x00090010, "LO", "TEST")
    with scripted_node(settings(folder / "data")) as node:
        send(node, save(film, folder), save(packed, folder), save(TALL, folder))
        wait_for_state(node, film.SOPInstanceUID, "delivered")
        root = f"http://127.0.0.1:{node.http_port}/dicom-web"
        with closing(httpx2.Client(base_url=root, timeout=60)) as client:
            yield client, film, packed


def path_of(dataset, level=3):
    return "".join(
        f"/{name}/{one}"
        for name, one in (
            ("studies", dataset.StudyInstanceUID),
            ("series", dataset.SeriesInstanceUID),
            ("instances", dataset.SOPInstanceUID),
        )[:level]
    )


def parts_of(answer):
    assert answer.status_code == 200, answer.text
    kind = answer.headers["content-type"]
    boundary = kind.partition("boundary=")[2].partition(";")[0].encode()
    pieces = answer.content.split(b"--" + boundary)
    assert pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        found.append((head.decode().strip(), content[:-2]))
    return found


def objects_of(answer):
    return [dcmread(BytesIO(content)) for _, content in parts_of(answer)]


def pixels_of(dataset):
    return PLAIN.PixelData if dataset.Modality == "DX" else dataset.PixelData


def accept(kind, syntax=None, *, single=False):
    extra = f"; transfer-syntax={syntax}" if syntax else ""
    if single:
        return {"Accept": f"{kind}{extra}"}
    return {"Accept": f'multipart/related; type="{kind}"{extra}'}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_is_below_a_resource_is_sent(held, level):
    client, film, _ = held
    sent = objects_of(client.get(path_of(film, level)))
    classes = {one.SOPClassUID for one in sent}
    assert classes == ({film.SOPClassUID} | (EVIDENCE_CLASSES if level == 1 else set()))
    mine = next(one for one in sent if one.SOPInstanceUID == film.SOPInstanceUID)
    assert mine.PixelData == film.PixelData


@pytest.mark.parametrize("syntax", TARGETS)
@pytest.mark.parametrize("single", [False, True])
def test_an_object_is_sent_in_the_syntax_that_is_asked_for(held, syntax, single):
    client, film, packed = held
    for one in (film, packed):
        answer = client.get(
            path_of(one), headers=accept("application/dicom", syntax, single=single)
        )
        assert answer.status_code == 200
        (sent,) = [dcmread(BytesIO(answer.content))] if single else objects_of(answer)
        assert sent.file_meta.TransferSyntaxUID == syntax
        assert sent.PatientName == one.PatientName
        if not syntax.is_encapsulated:
            assert sent.PixelData == pixels_of(one)


def test_the_stored_form_is_to_be_had_and_the_plain_one_is_usual(held):
    client, _, packed = held
    (stored,) = objects_of(
        client.get(path_of(packed), headers=accept("application/dicom", "*"))
    )
    assert stored.file_meta.TransferSyntaxUID == uid.JPEGLosslessSV1
    assert stored.PixelData == packed.PixelData
    (plain,) = objects_of(client.get(path_of(packed)))
    assert plain.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert plain[0x00091010].value == packed[0x00091010].value


def test_qualities_decide(held):
    client, _, packed = held
    asked = (
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.3; q=1,'
        'multipart/related; type="application/dicom"; q=0.5;'
        " transfer-syntax=1.2.840.10008.1.2.5,"
        'multipart/related; type="application/dicom"; q=0.9;'
        " transfer-syntax=1.2.840.10008.1.2.4.80"
    )
    (sent,) = objects_of(client.get(path_of(packed), headers={"Accept": asked}))
    assert sent.file_meta.TransferSyntaxUID == uid.JPEGLSLossless
    by_link = client.get(path_of(packed), params={"accept": "application/dicom"})
    assert by_link.headers["content-type"].startswith("application/dicom;")


@pytest.mark.parametrize(
    "asked",
    [
        "text/plain",
        "application/dicom; transfer-syntax=1.2.3",
        'multipart/related; type="image/gif"',
    ],
)
def test_what_cannot_be_sent_is_not_acceptable(held, asked):
    client, film, _ = held
    assert client.get(path_of(film), headers={"Accept": asked}).status_code == 406


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/studies/1.2.3/series/1.2.3/instances/1.2.3/metadata", 404),
        ("/studies/one", 400),
        ("{film}/frames/2", 404),
        ("{film}/frames/0", 400),
        ("{film}/frames/x", 400),
        ("{film}/frames/1-999999,1-999999", 400),
        ("{film}/bulkdata/00091010", 404),
        ("{film}/bulkdata/x/y/z", 404),
        ("{film}/rendered?window=1", 400),
        ("{film}/rendered?window=1,0", 400),
        ("{film}/rendered?window=nan,100", 400),
        ("{film}/rendered?viewport=0,10", 400),
        ("{film}/rendered?viewport=99999,10", 400),
        ("{film}/rendered?viewport=10,10,9999,9999,5,5", 400),
        ("{film}/rendered?quality=101", 400),
        ("{film}/frames/2/rendered", 406),
    ],
)
def test_what_is_not_there_or_not_sane_is_refused(held, path, status):
    client, film, _ = held
    assert client.get(path.format(film=path_of(film))).status_code == status


def test_an_answer_that_a_client_has_is_not_sent_again(held):
    client, film, _ = held
    for path in ("", "/metadata", "/rendered", "/frames/1"):
        first = client.get(f"{path_of(film)}{path}")
        again = client.get(
            f"{path_of(film)}{path}", headers={"If-None-Match": first.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = client.get(f"{path_of(film)}{path}?x=1")
        assert other.headers["etag"] != first.headers["etag"]


def test_frames_are_plain_unless_something_else_is_asked_for(held):
    client, film, packed = held
    for one in (film, packed):
        ((head, content),) = parts_of(client.get(f"{path_of(one)}/frames/1"))
        assert "application/octet-stream" in head
        assert content == pixels_of(one)
    single = client.get(
        f"{path_of(film)}/frames/1", headers={"Accept": "application/octet-stream"}
    )
    assert single.content == film.PixelData


@pytest.mark.parametrize(
    ("asked", "syntax"),
    [
        (accept("image/jls"), uid.JPEGLSLossless),
        (accept("image/jpeg"), uid.JPEGLosslessSV1),
        (accept("image/jp2"), uid.JPEG2000Lossless),
        (accept("image/jphc"), uid.HTJ2KLossless),
        (accept("image/jxl"), JPEG_XL_LOSSLESS),
        (accept("image/dicom-rle"), uid.RLELossless),
        (accept("application/octet-stream", "*"), uid.JPEGLosslessSV1),
        (accept("image/*"), uid.JPEGLosslessSV1),
    ],
)
def test_frames_are_compressed_on_demand(held, asked, syntax):
    client, _, packed = held
    ((head, content),) = parts_of(
        client.get(f"{path_of(packed)}/frames/1", headers=asked)
    )
    assert f"transfer-syntax={syntax}" in head
    if syntax == uid.JPEGLosslessSV1:
        assert content.startswith(b"\xff\xd8")


def test_a_segmentation_is_sent_frame_by_frame(held):
    client, film, _ = held
    sent = objects_of(client.get(path_of(film, 1)))
    seg = next(one for one in sent if one.SOPClassUID == uid.SegmentationStorage)
    numbers = f"1-{seg.NumberOfFrames}" if seg.NumberOfFrames > 1 else "1"
    found = parts_of(client.get(f"{path_of(seg)}/frames/{numbers}"))
    assert b"".join(content for _, content in found) == seg.PixelData


def test_metadata_lead_to_bulk_data(held):
    client, film, packed = held
    assert len(client.get(f"{path_of(film, 1)}/metadata").json()) == 5
    (said,) = client.get(f"{path_of(packed)}/metadata").json()
    assert said["00083002"]["Value"] == [uid.JPEGLosslessSV1]
    assert said["00100010"]["Value"][0]["Alphabetic"] == str(packed.PatientName)
    private = httpx2.get(
        said["00091010"]["BulkDataURI"], headers={"Accept": "application/octet-stream"}
    )
    assert private.content == packed[0x00091010].value
    ((_, pixels),) = parts_of(httpx2.get(said["7FE00010"]["BulkDataURI"]))
    assert pixels == PLAIN.PixelData
    xml = client.get(
        f"{path_of(packed)}/metadata", headers=accept("application/dicom+xml")
    )
    assert b"BulkData uri=" in parts_of(xml)[0][1]


def shown(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


def test_a_film_is_rendered(held):
    client, film, packed = held
    picture = shown(client.get(f"{path_of(film)}/rendered"))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (448, 512), "L")
    png = shown(
        client.get(f"{path_of(packed)}/rendered", headers={"Accept": "image/png"})
    )
    assert png.format == "PNG"


def test_pixels_that_are_not_square_are_not_drawn_as_squares(held):
    client, _, _ = held
    path = path_of(TALL)
    assert shown(client.get(f"{path}/rendered")).size == (96, 128)
    assert shown(client.get(f"{path}/thumbnail")).size == (96, 128)


def test_a_film_in_jpeg_xl_is_given_as_it_is_stored_and_otherwise(held):
    client, _, _ = held
    path = f"{path_of(TALL)}/frames/1"
    ((head, stored),) = parts_of(client.get(path, headers=accept("image/jxl")))
    assert f"transfer-syntax={JPEG_XL_LOSSLESS}" in head
    geometry = codecs.Geometry(TALL.Rows, TALL.Columns, TALL.BitsAllocated)
    cells = codecs.decode(stored, JPEG_XL_LOSSLESS, geometry)
    ((_, plain),) = parts_of(client.get(path))
    assert plain == cells.astype("<u2").tobytes()
    ((_, packed),) = parts_of(client.get(path, headers=accept("image/jphc")))
    found = codecs.decode(packed, uid.HTJ2KLossless, geometry)
    assert np.array_equal(found, cells)


def test_a_window_is_obeyed(held):
    client, film, _ = held
    values = film.pixel_array.astype(float)
    path = f"{path_of(film)}/rendered?window=1000,500,linear&accept=image/png"
    found = np.asarray(shown(client.get(path)), dtype=float)
    expected = np.clip((values - 999.5) / 499 + 0.5, 0, 1) * 255
    assert np.abs(found - np.rint(expected)).max() <= 1
    dark = client.get(f"{path_of(film)}/rendered?window=60000,10&accept=image/png")
    assert np.asarray(shown(dark)).max() == 0


def test_a_viewport_is_obeyed(held):
    client, film, _ = held
    path = f"{path_of(film)}/rendered?accept=image/png&viewport="
    assert shown(client.get(f"{path}224,1000")).size == (224, 256)
    whole = shown(client.get(f"{path}448,512"))
    part = shown(client.get(f"{path}100,100,50,60,100,100"))
    assert (np.asarray(part) == np.asarray(whole)[60:160, 50:150]).all()
    mirrored = shown(client.get(f"{path}448,512,,,-448,"))
    assert (np.asarray(mirrored) == np.asarray(whole)[:, ::-1]).all()
    small = client.get(f"{path_of(film)}/rendered?quality=1").content
    assert len(small) < len(client.get(f"{path_of(film)}/rendered?quality=100").content)


def test_results_are_drawn_over_their_film(held):
    client, film, _ = held
    plain = shown(client.get(f"{path_of(film)}/rendered?accept=image/png"))
    grey = np.asarray(plain.convert("RGB"), dtype=int)
    for one in objects_of(client.get(path_of(film, 1))):
        path = f"{path_of(one)}/rendered?accept=image/png"
        if one.SOPClassUID == uid.SegmentationStorage:
            masks = np.atleast_3d(one.pixel_array.reshape(-1, 512, 448).max(axis=0))[
                ..., 0
            ]
            drawn = np.asarray(shown(client.get(path)), dtype=int)
            changed = (drawn != grey).any(axis=2)
            assert not changed[masks == 0].any()
            assert changed[masks == 1].mean() > 0.9
        elif one.SOPClassUID == uid.GrayscaleSoftcopyPresentationStateStorage:
            drawn = np.asarray(shown(client.get(path)), dtype=int)
            assert 0 < (drawn != grey).any(axis=2).mean() < 0.2
        elif one.SOPClassUID == uid.Comprehensive3DSRStorage:
            assert client.get(path).status_code == 406


def test_thumbnails_are_small_and_many_pictures_come_in_parts(held):
    client, film, _ = held
    for level in (1, 2, 3):
        picture = shown(client.get(f"{path_of(film, level)}/thumbnail"))
        assert max(picture.size) == 128
    found = parts_of(client.get(f"{path_of(film, 1)}/rendered"))
    assert len(found) == 4
    assert found[0][0] == "Content-Type: image/jpeg"
    assert shown(client.get(f"{path_of(film)}/frames/1/thumbnail")).size == (112, 128)


def test_viewers_of_old_are_served(held):
    client, _, packed = held
    query = {
        "requestType": "WADO",
        "studyUID": packed.StudyInstanceUID,
        "seriesUID": packed.SeriesInstanceUID,
        "objectUID": packed.SOPInstanceUID,
    }
    plain = client.get("/wado", params=query | {"contentType": "application/dicom"})
    sent = dcmread(BytesIO(plain.content))
    assert sent.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert plain.headers["content-type"] == "application/dicom"
    assert shown(client.get("", params=query)).format == "JPEG"
    sized = {"contentType": "image/png", "rows": "32", "columns": "500"}
    assert shown(client.get("/wado", params=query | sized)).size == (32, 32)
    for wrong in ({"requestType": "X"}, {"objectUID": ""}, {"windowCenter": "5"}):
        assert client.get("/wado", params=query | wrong).status_code == 400
    other = query | {"contentType": "video/mpeg"}
    assert client.get("/wado", params=other).status_code == 406


def test_no_answer_holds_a_traceback(held):
    client, film, _ = held
    for path in (
        "/studies/1/2/3",
        f"{path_of(film)}/frames/",
        f"{path_of(film)}/bulkdata/",
    ):
        answer = client.get(path)
        assert answer.status_code in {400, 404}
        assert "Traceback" not in json.dumps(answer.text)
