"""QIDO-RS against a running node: what is held is found, over HTTP."""

import json
from contextlib import closing
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx2
import pytest
from pydicom.dataset import Dataset

from dicom_node.phantom.dataset import synthetic_dataset
from tests.factories.nodes import save, scripted_node, send, settings, wait_for_state

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def film(number, name):
    dataset = synthetic_dataset("CR", rows=512, columns=512, seed=number)
    dataset.PatientName, dataset.PatientID = name, f"P{number}"
    dataset.StudyDate = f"2026010{number}"
    item = Dataset()
    item.RequestedProcedureID = f"R{number}"
    item.ScheduledProcedureStepID = "S1"
    dataset.RequestAttributesSequence = [item]
    return dataset


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A node that holds three films and their results."""
    folder = tmp_path_factory.mktemp("node")
    films = [film(1, "Doe^John"), film(2, "Doe^Jane"), film(3, "Roe^Ann")]
    with scripted_node(settings(folder / "data")) as node:
        send(node, *(save(one, folder) for one in films))
        for one in films:
            wait_for_state(node, one.SOPInstanceUID, "delivered")
        root = f"http://127.0.0.1:{node.http_port}/dicom-web"
        with closing(httpx2.Client(base_url=root, timeout=60)) as client:
            yield client, films


def names(answer):
    assert answer.status_code == 200, answer.text
    return [one["00100020"]["Value"][0] for one in answer.json()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["P3", "P2", "P1"]),
        ("PatientName=doe*", ["P2", "P1"]),
        ("00100010=DOE^JANE", ["P2"]),
        ("StudyDate=20260102-", ["P3", "P2"]),
        ("PatientID=P9", []),
        ("ModalitiesInStudy=SR&PatientID=P1", ["P1"]),
        ("limit=1&offset=1", ["P2"]),
    ],
)
def test_studies(held, query, found):
    assert names(held[0].get(f"/studies?{query}")) == found


def test_a_study_is_answered_with_what_the_standard_requires(held):
    client, films = held
    (study,) = client.get("/studies?PatientID=P1").json()
    uid = films[0].StudyInstanceUID
    values = {tag: one.get("Value") for tag, one in study.items()}
    assert values["0020000D"] == [uid]
    root = str(client.base_url).rstrip("/")
    assert values["00081190"] == [f"{root}/studies/{uid}"]
    assert values["00080056"] == ["ONLINE"]
    assert values["00100010"] == [{"Alphabetic": "Doe^John"}]
    assert values["00201206"] == [len(values["00080061"]) + 1]  # two SEG series
    assert values["00201208"] == [5]
    assert set(values["00080061"]) == {"CR", "PR", "SEG", "SR"}
    assert "00081030" not in study
    assert {"00080020", "00080030", "00080050", "00080090", "00100030"} <= study.keys()


def test_fields_are_included_on_demand(held):
    client, _ = held
    (study,) = client.get("/studies?PatientID=P1&includefield=StudyDescription").json()
    assert study["00081030"]["Value"] == ["Chest radiograph"]
    (everything,) = client.get("/studies?PatientID=P1&includefield=all").json()
    assert {"00081030", "00101010", "00080062"} <= everything.keys()
    (instance,) = client.get(
        "/instances?PatientID=P1&Modality=CR&includefield=00180015,Exposure,KVP"
    ).json()
    assert instance["00180015"]["Value"] == ["CHEST"]


def test_what_stands_below_is_searched_with_what_stands_above(held):
    client, films = held
    study = films[1].StudyInstanceUID
    series = client.get(f"/studies/{study}/series").json()
    assert len(series) == 5
    assert "00100010" not in series[0]
    (one,) = client.get(f"/studies/{study}/series?Modality=CR").json()
    assert one["00201209"]["Value"] == [1]
    assert one["0020000E"]["Value"] == [films[1].SeriesInstanceUID]
    requested = "RequestAttributesSequence.RequestedProcedureID=R2"
    assert len(client.get(f"/series?{requested}&Modality=CR").json()) == 1
    assert client.get("/series?00400275.00401001=R9").json() == []
    instances = client.get(f"/studies/{study}/instances").json()
    assert len(instances) == 5
    path = f"/studies/{study}/series/{films[1].SeriesInstanceUID}/instances"
    (instance,) = client.get(path).json()
    assert instance["00080018"]["Value"] == [films[1].SOPInstanceUID]
    assert instance["00280010"]["Value"] == [512]
    listed = quote(",".join(one.SOPInstanceUID for one in films))
    relational = client.get(f"/instances?SOPInstanceUID={listed}").json()
    assert sorted(one["00100020"]["Value"][0] for one in relational) == [
        "P1",
        "P2",
        "P3",
    ]


def test_more_is_said_to_be_there(held):
    client, _ = held
    page = client.get("/studies?limit=2")
    assert "299" in page.headers["warning"]
    assert "additional results" in page.headers["warning"]
    assert "warning" not in client.get("/studies?limit=3").headers


def test_what_is_not_done_is_said(held):
    client, _ = held
    fuzzy = client.get("/studies?PatientName=Do*&fuzzymatching=true")
    assert "Only literal matching" in fuzzy.headers["warning"]
    assert names(fuzzy) == ["P2", "P1"]
    ignored = client.get("/studies?PatientID=P1&Rows=4")
    assert "not matched: Rows" in ignored.headers["warning"]


def test_xml_says_the_same(held):
    client, _ = held
    kind = 'multipart/related; type="application/dicom+xml"'
    answer = client.get("/studies?PatientID=P1", headers={"Accept": kind})
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    (_, part, end) = answer.content.split(b"--" + boundary.encode())
    assert end.strip() == b"--"
    root = ET.fromstring(part.partition(b"\r\n\r\n")[2].strip())  # noqa: S314  our own
    name = root.find(f"{NATIVE}DicomAttribute[@tag='00100010']")
    assert name.get("keyword") == "PatientName"
    assert name.find(f".//{NATIVE}FamilyName").text == "Doe"
    asked = client.get("/studies", params={"accept": kind})
    assert asked.headers["content-type"].startswith("multipart/related")


@pytest.mark.parametrize(
    "query",
    [
        "NoSuchAttribute=1",
        "PatientName.x=1",
        "StudyDate=yesterday",
        "StudyInstanceUID=1.2.x",
        "limit=-1",
        "limit=many",
        "offset=1e9",
        "fuzzymatching=perhaps",
        "includefield=Nothing",
        "patientname=x",
    ],
)
def test_an_illegal_query_is_refused_without_its_values(held, query):
    answer = held[0].get(f"/studies?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[2] not in json.loads(answer.text)["detail"].split()


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png;q=0.5", "application/dicom"]
)
def test_what_cannot_be_written_is_not_acceptable(held, accept):
    answer = held[0].get("/studies", headers={"Accept": accept})
    assert answer.status_code == 406


def test_an_address_with_no_uid_in_it_is_refused(held):
    assert held[0].get("/studies/one/series").status_code == 400
