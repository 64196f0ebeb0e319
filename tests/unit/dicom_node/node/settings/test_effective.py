import pytest

from dicom_node.node.settings.effective import MASKED, ValueOrigin, effective
from dicom_node.node.settings.load import Settings

PACS = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.1", "port": 104}


@pytest.fixture
def keys(monkeypatch, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "cxr_node__database__url").write_text(
        "postgresql+psycopg://a:hunter2@b/c"
    )
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("CXR_NODE__DIMSE__PORT", "1104")
    file = tmp_path / "node.toml"
    file.write_text(
        "[node]\nae_title = 'SITE'\n"
        "[http.auth]\napi_keys = ['hunter2-hunter2-hunter2']\n"
    )
    settings = Settings.load(file, {"destinations": [PACS]})
    return {one.key: one for one in effective(settings)}


def test_every_value_is_told_with_where_it_comes_from(keys):
    assert (keys["node.ae_title"].value, keys["node.ae_title"].origin) == (
        "SITE",
        ValueOrigin.GIVEN,
    )
    assert (keys["dimse.port"].value, keys["dimse.port"].origin) == (
        "1104",
        ValueOrigin.ENVIRONMENT,
    )
    assert keys["database.url"].origin is ValueOrigin.SECRET_FILE
    assert keys["worker.readers"].origin is ValueOrigin.DEFAULT
    assert keys["destinations.0.host"].value == "192.0.2.1"
    assert keys["destinations.0.required"].origin is ValueOrigin.DEFAULT


def test_no_secret_is_told(keys):
    assert keys["database.url"].value == MASKED
    assert not any("hunter2" in one.value for one in keys.values())
