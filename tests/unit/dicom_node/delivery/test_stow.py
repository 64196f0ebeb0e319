import json
import ssl
from dataclasses import replace

import pytest

from dicom_node.delivery.destination import Parcel
from dicom_node.delivery.stow import StowDestination, WebServer
from dicom_node.errors import (
    PeerBusy,
    PeerRefused,
    PeerStumbled,
    PeerUnreachable,
)
from tests.factories.certificates import self_signed
from tests.peers.receiving import radiograph, written
from tests.peers.web_pacs import JSON, WebPACS

PLAIN = ssl.create_default_context()


@pytest.fixture
def parcels(tmp_path):
    made = []
    for number in range(3):
        image = radiograph(number, "SC")
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(written(image))
        uid = str(image.SOPInstanceUID)
        study = str(image.StudyInstanceUID)
        made.append(Parcel(str(image.SOPClassUID), uid, path, study))
    return made


def delivered(pacs, parcels, **server):
    with pacs.listening() as url:
        destination = StowDestination(WebServer(url, PLAIN, **server))
        return {one.sop_instance_uid: one for one in destination.deliver(parcels)}


def always(status, headers=None, body=b""):
    return lambda _request: (status, headers or {}, body)


def posts(pacs):
    return [path for method, path in pacs.requests if method == "POST"]


def test_a_batch_is_one_request_and_arrives_byte_for_byte(parcels):
    pacs = WebPACS()
    delivered(pacs, parcels)
    assert posts(pacs) == ["/dicom-web/studies"]
    for one in parcels:
        assert pacs.held[one.sop_instance_uid] == one.path.read_bytes()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PeerRefused),
        (413, PeerRefused),
        (415, PeerRefused),
        (500, PeerStumbled),
        (599, PeerStumbled),
        (429, PeerBusy),
        (503, PeerBusy),
        (507, PeerBusy),
        (401, PeerUnreachable),
        (403, PeerUnreachable),
        (404, PeerUnreachable),
        (407, PeerUnreachable),
        (302, PeerUnreachable),
        (308, PeerUnreachable),
    ],
)
def test_a_status_about_the_whole_request_says_what_follows(parcels, status, kind):
    pacs = WebPACS(says=always(status, {"Location": "http://127.0.0.1:1/"}))
    answers = delivered(pacs, parcels)
    assert {type(one.error) for one in answers.values()} == {kind}
    assert {one.code for one in answers.values()} == {status}
    assert all(str(status) in str(one.error) for one in answers.values())


def test_a_batch_that_is_refused_as_a_whole_is_sent_object_by_object(parcels):
    def dislikes_crowds(request):
        length = int(request.headers["Content-Length"])
        return None if length < 2 * parcels[0].path.stat().st_size else (413, {}, b"")

    pacs = WebPACS(says=dislikes_crowds)
    answers = delivered(pacs, parcels)
    assert len(posts(pacs)) == 1 + len(parcels)
    assert all(one.accepted for one in answers.values())


@pytest.mark.parametrize("status", [202, 409])
@pytest.mark.parametrize("body", [b"", b"<xml/>", b"[" * 9999, b'{"00081198":1}'])
def test_what_an_answer_leaves_open_is_asked_for(parcels, status, body):
    says = lambda request: (  # noqa: E731  a line
        None if request.command == "GET" else (status, {"Content-Type": JSON}, body)
    )
    pacs = WebPACS(says=says)
    there, *missing = parcels
    pacs.held[there.sop_instance_uid] = b""
    answers = delivered(pacs, parcels)
    assert answers[there.sop_instance_uid].accepted
    for one in missing:
        assert isinstance(answers[one.sop_instance_uid].error, PeerStumbled)


@pytest.mark.parametrize("reason", [0x0111, 0xB00E])
def test_an_object_that_is_there_already_is_delivered(parcels, reason):
    failed = [
        {
            "00081155": {"vr": "UI", "Value": [one.sop_instance_uid]},
            "00081197": {"vr": "US", "Value": [reason]},
        }
        for one in parcels
    ]
    body = json.dumps({"00081198": {"vr": "SQ", "Value": failed}}).encode()
    answers = delivered(WebPACS(says=always(409, body=body)), parcels)
    assert all(one.accepted and one.code == reason for one in answers.values())


def test_an_answer_without_end_is_not_read_to_its_end(parcels):
    pacs = WebPACS(says=always(200, body=b" " * (64 << 20)))
    assert all(one.accepted for one in delivered(pacs, parcels).values())


def test_a_connection_that_ends_without_an_answer_leaves_every_object_open(parcels):
    answers = delivered(WebPACS(says=always(0)), parcels)
    assert {type(one.error) for one in answers.values()} == {PeerUnreachable}
    assert {one.code for one in answers.values()} == {None}


def test_before_an_uncertain_repeat_it_is_asked_what_is_there(parcels):
    pacs = WebPACS()
    there, missing, fresh = parcels
    pacs.held[there.sop_instance_uid] = b"the first time"
    again = [replace(one, uncertain=True) for one in (there, missing)]
    answers = delivered(pacs, [*again, fresh])
    assert all(one.accepted for one in answers.values())
    assert pacs.held[there.sop_instance_uid] == b"the first time"
    assert {missing.sop_instance_uid, fresh.sop_instance_uid} < set(pacs.held)
    asked = [path for method, path in pacs.requests if method == "GET"]
    assert len(asked) == len(again)
    assert f"/studies/{there.study_instance_uid}/instances?" in asked[0]


def test_a_redirect_is_not_followed(parcels):
    elsewhere = WebPACS()
    with elsewhere.listening() as other:
        here = WebPACS(says=always(307, {"Location": f"{other}/studies"}))
        answers = delivered(here, parcels)
    assert elsewhere.requests == []
    assert all("redirect" in str(one.error) for one in answers.values())


def test_credentials_are_asked_for_with_each_request(parcels):
    tokens = iter(["Bearer one", "Bearer two"])
    pacs = WebPACS()
    with pacs.listening() as url:
        server = WebServer(url, PLAIN, lambda: {"Authorization": next(tokens)})
        for parcel in parcels[:2]:
            list(StowDestination(server).deliver([parcel]))
    assert [one["Authorization"] for one in pacs.headers] == [
        "Bearer one",
        "Bearer two",
    ]


def test_a_secret_that_cannot_be_read_is_every_objects_error(parcels, tmp_path):
    def lost():
        return {"Authorization": (tmp_path / "none").read_text()}

    answers = delivered(WebPACS(), parcels, credentials=lost)
    assert {type(one.error) for one in answers.values()} == {PeerUnreachable}


def test_a_proxy_is_gone_through(parcels):
    proxy = WebPACS()
    with proxy.listening() as through:
        root = through.removesuffix("/dicom-web")
        server = WebServer("http://archive.example/dicom-web", PLAIN, proxy=root)
        answers = list(StowDestination(server).deliver(parcels))
    assert all(one.accepted for one in answers)
    assert posts(proxy) == ["http://archive.example/dicom-web/studies"]


def test_both_sides_show_their_certificates(parcels, tmp_path):
    file, key = self_signed(tmp_path)
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(file, key)
    asks.load_verify_locations(file)
    asks.verify_mode = ssl.CERT_REQUIRED
    knows = ssl.create_default_context(cafile=str(file))
    knows.load_cert_chain(file, key)
    with WebPACS().listening(asks) as url:
        good = list(StowDestination(WebServer(url, knows)).deliver(parcels))
        strange = list(StowDestination(WebServer(url, PLAIN)).deliver(parcels))
    assert all(one.accepted for one in good)
    assert all("certificate is not trusted" in str(one.error) for one in strange)


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_probe_tells_a_door_that_is_closed(status):
    with WebPACS(says=always(status)).listening() as url:
        destination = StowDestination(WebServer(url, PLAIN))
        with pytest.raises(PeerUnreachable):
            destination.probe()


@pytest.mark.parametrize("status", [200, 204, 400, 404, 501])
def test_a_probe_needs_no_search(status):
    with WebPACS(says=always(status)).listening() as url:
        StowDestination(WebServer(url, PLAIN)).probe()
