import pytest

from dicom_node.errors import NodeError, SettingsInvalid
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.pages import site, texts

PACS = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.1", "port": 104}
WEB = {"name": "web", "kind": "stow", "url": "https://archive.example/dicom-web"}


class Answering:
    """Parts of a node that delivers to one of its destinations."""

    def __init__(self, **destinations):
        self.destinations = destinations


class Silent:
    def probe(self):
        raise NodeError("nobody there")


@pytest.fixture
def shown():
    settings = Settings.load(None, {"destinations": [PACS, WEB]})
    return site(settings, Answering(pacs=Silent))


def test_each_destination_is_shown_with_its_place(shown):
    assert [(one.name, one.kind, one.place) for one in shown.destinations] == [
        ("pacs", "DIMSE", "PACS 192.0.2.1:104"),
        ("web", "STOW-RS", "https://archive.example/dicom-web"),
    ]


def test_a_destination_is_asked_over_the_way_that_deliveries_take(shown):
    pacs, web = shown.destinations
    with pytest.raises(NodeError, match="nobody there"):
        pacs.probe()
    with pytest.raises(NodeError, match="does not deliver"):
        web.probe()


def test_the_model_in_service_is_marked_and_has_its_card(shown):
    (model,) = [one for one in shown.models() if one.in_service]
    assert model.name == "default"
    assert model.card.startswith("#")


def test_words_that_cannot_be_used_end_the_start_with_their_key(tmp_path):
    with pytest.raises(SettingsInvalid, match=r"pages\.texts: .*absent\.toml"):
        texts(tmp_path / "absent.toml")
