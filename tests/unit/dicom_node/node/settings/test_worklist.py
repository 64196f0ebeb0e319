import pytest

from dicom_node.errors import SettingsInvalid
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.worklist import place, receivers

PACS = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.1", "port": 104}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))


@pytest.mark.parametrize(
    "url",
    [
        "pacs.example/dicom-web",
        "ftp://pacs.example",
        "https://user:word@pacs.example/dicom-web",
        "https://pacs.example/dicom-web?x=1",
        "https://[::1",
    ],
)
def test_a_source_is_a_plain_url(url):
    with pytest.raises(SettingsInvalid, match=r"worklist\.sources\.0\.url"):
        Settings.load(None, {"worklist": {"sources": [{"url": url}]}})


def test_a_first_retry_comes_before_the_longest():
    with pytest.raises(SettingsInvalid, match="first_retry_s"):
        Settings.load(None, {"worklist": {"first_retry_s": 700}})


def test_who_can_be_called_is_a_peer_with_a_place_or_a_destination():
    peers = [
        {"ae_title": "WATCHER", "address": "192.0.2.2", "port": 11113},
        {"ae_title": "NETWORK", "address": "192.0.2.0/24", "port": 11113},
        {"ae_title": "MODALITY"},
    ]
    chosen = Settings.load(None, {"dimse": {"peers": peers}, "destinations": [PACS]})
    assert set(receivers(chosen)) == {"WATCHER", "PACS"}
    assert place(chosen).titles == {"pacs": "PACS"}
