import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from dicom_node.errors import SettingsInvalid
from dicom_node.evidence.kinds import ON_REQUEST
from dicom_node.node.settings.load import Settings

ROOT = Path(__file__).resolve().parents[5]
SHIPPED = ROOT / "conf" / "node.toml"

LEAVES = (
    "destinations.fallback",
    "dimse.titles.eligibility",
    "http.auth.oidc.roles",
    "http.auth.proxy.roles",
)
EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing listens here
PACS = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.1", "port": 104}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))


def refusal(**overrides):
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load(None, overrides)
    return str(caught.value)


def keys_of(model, prefix=""):
    """Every key path of a settings model; list items count as their table."""
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        tables = list(tables_in(field.annotation))
        for table in tables:
            yield from keys_of(table, f"{prefix}{name}.")
        if not tables:
            yield f"{prefix}{name}"


def tables_in(annotation):
    """Every table that a value may be, or its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from tables_in(argument)


def keys_in(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                yield from keys_in(one, f"{prefix}{name}.")
        elif isinstance(value, dict) and f"{prefix}{name}" not in LEAVES:
            yield from keys_in(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_shipped_file_says_exactly_the_defaults():
    assert Settings.load(SHIPPED) == Settings.load(None)


def test_the_shipped_file_shows_every_key_and_no_other():
    text = re.sub(r"^#(?=[a-z\[])", "", SHIPPED.read_text(), flags=re.MULTILINE)
    shown = set(keys_in(tomllib.loads(text)))
    assert shown == set(keys_of(Settings))


def test_the_shipped_examples_are_accepted(tmp_path):
    text = re.sub(r"^#(?=[a-z\[])", "", SHIPPED.read_text(), flags=re.MULTILINE)
    full = tmp_path / "node.toml"
    full.write_text(text)
    settings = Settings.load(full)
    example = settings.destinations[0]
    plain = Settings.load(None, {"destinations": [PACS]}).destinations[0]
    assert example.evidence == plain.evidence
    assert example.fallback == plain.fallback
    assert settings.dimse.peers[0].ae_title == "MODALITY1"


def test_every_line_of_the_shipped_file_explains_itself():
    unexplained = [
        line
        for line in SHIPPED.read_text().splitlines()
        if re.match(r"^[a-z_]+ = ", line) and "#" not in line
    ]
    assert unexplained == []


def test_arguments_beat_environment_beats_secrets_beats_file(monkeypatch, tmp_path):
    file = tmp_path / "node.toml"
    file.write_text("[dimse]\nport = 1\nmax_associations = 1\nhost = '::1'\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cxr_node__dimse__port").write_text("2\n")
    (tmp_path / "secrets" / "cxr_node__dimse__max_associations").write_text("2\n")
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("CXR_NODE__DIMSE__PORT", "3")
    settings = Settings.load(file)
    assert (settings.dimse.host, settings.dimse.max_associations) == ("::1", 2)
    assert settings.dimse.port == 3
    assert Settings.load(file, {"dimse": {"port": 4}}).dimse.port == 4


def test_an_unknown_key_is_refused_with_its_path():
    assert refusal(dimse={"qqqq": 104}) == "dimse.qqqq: unknown key"


@pytest.mark.parametrize(
    ("overrides", "meant"),
    [
        ({"dimes": {"port": 104}}, "dimse"),
        ({"dimse": {"prot": 104}}, "port"),
        ({"dimse": {"tls": {"certficate": "a"}}}, "certificate"),
        ({"dimse": {"peers": [{"ae_title": "A", "adress": ""}]}}, "address"),
        ({"destinations": [{**PACS, "evidense": []}]}, "evidence"),
        ({"http": {"auth": {"api_key": ["a" * 16]}}}, "api_keys"),
    ],
)
def test_what_an_unknown_key_may_mean_is_said(overrides, meant):
    assert refusal(**overrides).endswith(f"unknown key; did you mean {meant!r}?")


def test_who_takes_stow_has_to_say_whom_to_ask_for_commitment():
    assert "keeper says whom" in refusal(
        destinations=[STOW | {"storage_commitment": True}]
    )
    keeper = {"ae_title": "ARCHIVE", "host": "archive.example", "port": 104}
    asked = STOW | {"storage_commitment": True, "keeper": keeper}
    (section,) = Settings.load(None, {"destinations": [asked]}).destinations
    assert section.keeper.ae_title == "ARCHIVE"


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ([{"ae_title": "ER"}, {"ae_title": "ER"}], "used twice"),
        ([{"ae_title": "ER", "destinations": ["nobody"]}], "no destination nobody"),
        ([{"ae_title": "ER", "eligibility": {"minimum_agge": 1}}], "unknown key"),
        ([{"ae_title": "ER", "eligibility": {"minimum_size_px": 1}}], "64"),
        ([{"ae_title": "ER", "priority": "urgent"}], "dimse.titles.0.priority"),
    ],
)
def test_a_title_that_cannot_be_is_refused(titles, words):
    assert words in refusal(dimse={"titles": titles}, destinations=[PACS])


def test_earlier_films_come_from_somewhere():
    assert "fetch needs from" in refusal(priors={"fetch": True})
    assert Settings.load(None, {"priors": {"from": "pacs"}}).priors.source == "pacs"


def test_an_unknown_key_inside_a_list_is_refused_with_its_place():
    message = refusal(destinations=[{**PACS, "qqqq": []}])
    assert message == "destinations.0.qqqq: unknown key"


def test_an_unknown_kind_of_destination_is_refused_with_the_kinds_there_are():
    message = refusal(destinations=[{**PACS, "kind": "pigeon"}])
    assert message == "destinations.0.kind: Input should be 'dimse' or 'stow'"


def test_a_destination_that_is_no_table_is_refused_with_its_place():
    assert refusal(destinations=["PACS"]).startswith("destinations.0: Input should be")


def test_an_unknown_environment_key_is_refused(monkeypatch):
    monkeypatch.setenv("CXR_NODE__DIMES__PORT", "104")
    assert refusal() == (
        "environment: CXR_NODE__DIMES__PORT: unknown key; did you mean 'DIMSE'?"
    )


def test_a_bad_value_is_refused_with_its_path_and_the_file(tmp_path):
    file = tmp_path / "node.toml"
    file.write_text("[dimse]\nport = 70000\n")
    with pytest.raises(SettingsInvalid, match=r"node\.toml: dimse\.port: .*65535"):
        Settings.load(file)


def test_a_file_that_is_not_toml_is_refused_in_one_line(tmp_path):
    file = tmp_path / "node.toml"
    file.write_text("[dimse\nport = 1")
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(SettingsInvalid, match=r"no such file: .*absent\.toml"):
        Settings.load(tmp_path / "absent.toml")


@pytest.mark.parametrize("title", ["", "SEVENTEEN_LETTERS", " PACS", "A\\B", "ÄRZTE"])
def test_an_impossible_ae_title_is_refused(title):
    assert refusal(node={"ae_title": title}).startswith("node.ae_title: an AE title")


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"oidc": {"issuer": "http://idp.example"}}, "issuer is an https URL"),
        ({"oidc": {"issuer": "https://idp.example"}}, "issuer needs client_id"),
        ({"proxy": {"addresses": ["192.0.2.1"]}}, "addresses need roles"),
        ({"proxy": {"addresses": ["not one"]}}, "addresses.0"),
        ({"proxy": {"roles": {"staff": "king"}}}, "roles.staff"),
    ],
)
def test_what_would_let_in_nobody_or_anybody_is_refused(auth, said):
    assert said in refusal(http={"auth": auth})


def test_a_short_api_key_is_refused_without_showing_it():
    message = refusal(http={"auth": {"api_keys": ["hunter2"]}})
    assert message == "http.auth: api_keys: a key has at least 16 characters"


def test_secrets_do_not_show_in_the_settings_text():
    settings = Settings.load(
        None,
        {
            "database": {"url": "postgresql+psycopg://cxr:hunter2@db/cxr"},
            "http": {"auth": {"api_keys": ["hunter2-hunter2-hunter2"]}},
        },
    )
    assert "hunter2" not in repr(settings)
    url = settings.database.url.get_secret_value()
    assert url.endswith("cxr:hunter2@db/cxr")


def test_a_certificate_without_its_key_is_refused():
    message = refusal(dimse={"tls": {"certificate": "node.pem"}})
    assert message == "dimse.tls: certificate and key belong together"


def test_asking_for_client_certificates_without_an_authority_is_refused():
    tls = {"certificate": "node.pem", "key": "node.key"}
    assert "tls.ca" in refusal(dimse={"tls": tls})


def test_two_destinations_of_one_name_are_refused():
    assert "used twice" in refusal(destinations=[PACS, PACS])


def test_a_destination_that_is_this_node_is_refused():
    here = {**PACS, "host": "localhost", "port": 11112}
    assert "is this node itself" in refusal(destinations=[here])


def test_the_first_retry_may_not_be_longer_than_the_longest():
    message = refusal(delivery={"first_retry_s": 10, "longest_retry_s": 5})
    assert message.startswith("delivery: first_retry_s is longer")


def test_every_kind_of_result_can_be_asked_for_and_no_other():
    words = [str(kind) for kind in ON_REQUEST]
    wanted = {**PACS, "evidence": words, "fallback": {words[0]: words[1:]}}
    (section,) = Settings.load(None, {"destinations": [wanted]}).destinations
    assert section.evidence == ON_REQUEST
    assert section.fallback == {ON_REQUEST[0]: ON_REQUEST[1:]}
    for other in ("rejection-note", "x-ray"):
        message = refusal(destinations=[{**PACS, "evidence": [other]}])
        assert message == (
            "destinations.0.evidence.0: Input should be 'segmentation',"
            " 'lung-segmentation', 'label-map', 'measurement-report',"
            " 'measurement-report-comprehensive', 'measurement-report-enhanced',"
            " 'presentation-state', 'secondary-capture' or 'pdf'"
        )


def test_settings_are_frozen():
    settings = Settings.load(None)
    with pytest.raises(ValueError, match="frozen"):
        settings.node.ae_title = "OTHER"


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("model", "threads", 100_000),
        ("model", "threads", 257),
        ("dimse", "max_associations", 10**6),
        ("dimse", "max_associations_per_address", 10**6),
        ("dimse", "association_timeout_s", float("inf")),
        ("dimse", "minimum_bytes_per_s", float("nan")),
        ("dimse", "maximum_object_bytes", 1 << 70),
        ("http", "max_connections", 10**7),
        ("http", "request_timeout_s", float("nan")),
        ("worker", "lease_s", float("inf")),
        ("worker", "poll_s", 1e-9),
        ("worker", "poll_s", 1e300),
        ("worker", "readers", 1000),
        ("delivery", "give_up_after_s", float("inf")),
        ("delivery", "batch_size", 10**9),
        ("retention", "sources_days", 1e12),
        ("retention", "aside_days", float("nan")),
        ("node", "stop_s", float("inf")),
        ("node", "minimum_free_bytes", 1 << 70),
    ],
)
def test_numbers_that_no_machine_has_are_refused_with_their_key(table, key, value):
    message = refusal(**{table: {key: value}})
    assert message.startswith(f"{table}.{key}: Input should be")


def numbers_of(model, prefix=""):
    """Every key that is a number, and what bounds it."""
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from numbers_of(nested, f"{prefix}{name}.")
        elif nested in (int, float):
            yield f"{prefix}{name}", field.metadata


def test_every_number_of_the_file_has_an_upper_bound():
    numbers = dict(numbers_of(Settings))
    assert len(numbers) > 30
    for name, bounds in numbers.items():
        assert any(hasattr(bound, "le") for bound in bounds), name


def test_http_asks_for_certificates_only_with_an_authority():
    tls = {"certificate": "a", "key": "b", "require_client_certificate": True}
    assert "needs ca" in refusal(http={"tls": tls})


STOW = {"name": "web", "kind": "stow", "url": "https://archive.example/dicom-web/"}


def test_a_destination_by_stow_needs_its_url_alone():
    (section,) = Settings.load(None, {"destinations": [STOW]}).destinations
    assert section.url == "https://archive.example/dicom-web"
    assert section.place == ("archive.example", 443)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "ftp://archive.example"}, "not a URL"),
        ({"url": "https://me:hunter2@archive.example"}, "without user"),
        ({"url": "https://archive.example/?a=b"}, "without user"),
        ({"url": "http://[::1"}, "not a URL"),
        ({"url": "http://archive.example", "token": "t"}, "need https"),
        ({"url": "http://archive.example", "token_file": "/t"}, "need https"),
        ({"token": "t", "token_file": "/t"}, "not both"),
        ({"token": "t", "username": "u", "password": "p"}, "exclude"),
        ({"username": "u"}, "belong together"),
        ({"certificate": "/c"}, "belong together"),
        ({"host": "archive.example"}, "unknown key"),
        ({"url": "http://127.0.0.1:8042/dicom-web"}, "this node itself"),
    ],
)
def test_a_destination_by_stow_that_cannot_work_is_refused(changes, words):
    said = refusal(destinations=[STOW | changes])
    assert words in said
    assert "hunter2" not in said


MUTUAL = {"certificate": "a", "key": "b", "ca": "c"}


@pytest.mark.parametrize(
    ("subject", "meant"),
    [
        ("CN=modality1", "CN=modality1"),
        ("CN=modality1,O=Hospital", "CN=modality1,O=Hospital"),
        ("1.2.840.113549.1.9.1=a@example", "1.2.840.113549.1.9.1=a@example"),
    ],
)
def test_the_subject_of_a_peers_certificate_is_read_in_one_way(subject, meant):
    peer = {"ae_title": "A", "certificate_subject": subject}
    settings = Settings.load(None, {"dimse": {"tls": MUTUAL, "peers": [peer]}})
    assert settings.dimse.peers[0].certificate_subject == meant


def test_the_subject_of_a_peers_certificate_needs_one_to_be_asked_for():
    peers = [{"ae_title": "A", "certificate_subject": "CN=a"}]
    assert "needs tls" in refusal(dimse={"peers": peers})
    open_tls = MUTUAL | {"require_client_certificate": False}
    assert "needs tls" in refusal(dimse={"peers": peers, "tls": open_tls})
    unknown = {"peers": peers, "tls": MUTUAL, "accept_unknown_peers": True}
    assert "exclude" in refusal(dimse=unknown)
    wrong = [{"ae_title": "A", "certificate_subject": "modality"}]
    assert "no subject" in refusal(dimse={"peers": wrong, "tls": MUTUAL})
