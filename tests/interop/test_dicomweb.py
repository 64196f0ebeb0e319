"""DICOMweb with foreign clients: dicomweb-client, and Orthanc in both directions."""

from io import BytesIO

import dicomweb_client
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.dataset import Dataset

from dicom_node.phantom.dataset import synthetic_dataset
from tests.factories.nodes import get, scripted_node, settings, wait_for_state
from tests.peers import toolkits as peers

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture
def node(tmp_path):
    with scripted_node(settings(tmp_path / "node")) as node:
        yield node


@pytest.fixture
def client(node):
    url = f"http://127.0.0.1:{node.http_port}/dicom-web"
    return dicomweb_client.DICOMwebClient(url=url)


def films(count=2):
    return [
        synthetic_dataset("CR", number, rows=512, columns=448)
        for number in range(count)
    ]


def test_every_verb_of_dicomweb_client(client, node):
    first, second = films()
    answer = client.store_instances([first, second])
    stored = {one.ReferencedSOPInstanceUID for one in answer.ReferencedSOPSequence}
    assert stored == {first.SOPInstanceUID, second.SOPInstanceUID}
    wait_for_state(node, first.SOPInstanceUID, "delivered")
    study, series, one = (
        first.StudyInstanceUID,
        first.SeriesInstanceUID,
        first.SOPInstanceUID,
    )

    found = client.search_for_studies(search_filters={"PatientID": first.PatientID})
    assert [Dataset.from_json(each).StudyInstanceUID for each in found] == [study]
    everything = client.search_for_studies(limit=1, get_remaining=True)
    assert len(everything) == 2
    assert len(client.search_for_series(study)) == 5
    listed = client.search_for_instances(study, fields=["Rows"])
    assert {Dataset.from_json(each).SOPInstanceUID for each in listed} >= {one}

    for retrieved in (
        client.retrieve_study(study),
        client.retrieve_series(study, series),
        [client.retrieve_instance(study, series, one)],
    ):
        mine = next(each for each in retrieved if each.SOPInstanceUID == one)
        assert mine.PixelData == first.PixelData
    assert sum(1 for _ in client.iter_series(study, series)) == 1
    compressed = client.retrieve_instance(
        study, series, one, media_types=(("application/dicom", uid.JPEG2000Lossless),)
    )
    assert compressed.file_meta.TransferSyntaxUID == uid.JPEG2000Lossless
    assert (compressed.pixel_array == first.pixel_array).all()

    assert len(client.retrieve_study_metadata(study)) == 5
    (said,) = client.retrieve_series_metadata(study, series)
    assert client.retrieve_instance_metadata(study, series, one) == said
    (frame,) = client.retrieve_instance_frames(study, series, one, [1])
    assert frame == first.PixelData
    (frame,) = client.retrieve_instance_frames(
        study, series, one, [1], media_types=("image/jls",)
    )
    assert frame.startswith(b"\xff\xd8\xff")
    bulk = client.retrieve_bulkdata(said["7FE00010"]["BulkDataURI"])
    assert bulk == [first.PixelData]
    for picture in (
        client.retrieve_instance_rendered(
            study, series, one, media_types=("image/png",)
        ),
        client.retrieve_instance_frames_rendered(
            study, series, one, [1], media_types=("image/jpeg",)
        ),
    ):
        assert Image.open(BytesIO(picture)).size == (448, 512)


def test_a_segmentation_is_read_as_it_was_made(client, node):
    (film,) = films(1)
    client.store_instances([film], film.StudyInstanceUID)
    wait_for_state(node, film.SOPInstanceUID, "delivered")
    sent = client.retrieve_study(film.StudyInstanceUID)
    for seg in (one for one in sent if one.SOPClassUID == uid.SegmentationStorage):
        place = (seg.StudyInstanceUID, seg.SeriesInstanceUID, seg.SOPInstanceUID)
        frames = client.retrieve_instance_frames(*place, [1])
        bits = np.unpackbits(np.frombuffer(frames[0], np.uint8), bitorder="little")
        masks = seg.pixel_array.reshape(-1, 512, 448)
        assert (bits.reshape(512, 448) == masks[0]).all()


def known_to(orthanc, node):
    """Let Orthanc know the node as a DICOMweb server."""
    body = {"Url": f"http://127.0.0.1:{node.http_port}/dicom-web/"}
    put = peers.urllib.request.Request(
        f"{orthanc.url}/dicom-web/servers/node",
        data=peers.json.dumps(body).encode(),
        method="PUT",
    )
    with peers.urllib.request.urlopen(put, timeout=60):
        pass


def test_orthanc_sends_to_the_node_and_fetches_its_results(node, orthanc_dicomweb):
    orthanc = orthanc_dicomweb
    (film,) = films(1)
    encoded = BytesIO()
    film.save_as(encoded, enforce_file_format=True)
    orthanc.post("/instances", encoded.getvalue())
    known_to(orthanc, node)

    body = {
        "Resources": [orthanc.instances()[film.SOPInstanceUID]],
        "Synchronous": True,
    }
    orthanc.post("/dicom-web/servers/node/stow", body)
    wait_for_state(node, film.SOPInstanceUID, "delivered")
    assert get(node, "/api/v1/instances")["items"][0]["calling_ae"] == "DICOMWEB"

    asked = {"Uri": "/studies", "Arguments": {"PatientID": film.PatientID}}
    (found,) = orthanc.post("/dicom-web/servers/node/qido", asked)
    assert film.StudyInstanceUID in str(found)

    wanted = {
        "Resources": [{"Study": film.StudyInstanceUID}],
        "Synchronous": True,
    }
    orthanc.post("/dicom-web/servers/node/retrieve", wanted)
    held = orthanc.instances()
    assert len(held) == 5
    segs = [
        one
        for one in (dcmread(BytesIO(orthanc.file(each))) for each in held)
        if one.SOPClassUID == uid.SegmentationStorage
    ]
    assert len(segs) == 2
