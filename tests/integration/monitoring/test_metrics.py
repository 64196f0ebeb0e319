"""Metrics of a running node: what is counted, who may read it, and real Prometheus."""

# ruff: noqa: S310  loopback

import ipaddress
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from dicom_node.monitoring.exposition import fold
from dicom_node.node.roles import Role
from dicom_node.web.application import create_app
from dicom_node.web.metrics import ScrapersEntrance
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.monitoring import distributions, tallies
from storage.records import ModelName
from storage.schema import tally
from storage.worklist import attempts
from tests.factories.nodes import (
    destination,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.factories.rows import after, claim, receive, settle
from tests.peers.pacs import PACS
from tests.peers.ports import free_port
from tests.peers.postgres import postgres_url
from tests.peers.serving import serving

__all__ = ["postgres_url"]
ROOT = Path(__file__).resolve().parents[3]
CONF = ROOT / "conf"
KEY = "a-key-of-many-characters"
HERE = {"allow": ["127.0.0.0/8"]}


def scrape(node, **headers):
    asked = urllib.request.Request(
        f"http://127.0.0.1:{node.http_port}/metrics", headers=headers
    )
    with urllib.request.urlopen(asked, timeout=180) as answer:
        return answer.read().decode()


def samples(text):
    """Name and label values, in the order of the labels' names -> value."""
    return {
        (one.name.removeprefix("cxr_node_"), *map(str, one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A node that has delivered one film and refused another, and its metrics."""
    folder = tmp_path_factory.mktemp("node")
    pacs = PACS()
    with pacs.listening():
        conf = settings(folder, [destination("pacs", pacs.port)], metrics=HERE)
        with scripted_node(conf) as node:
            good = synthetic_dataset("CR", 0, rows=512, columns=448)
            side = synthetic_dataset("CR", 1, rows=512, columns=448, ViewPosition="LL")
            send(node, save(good, folder), save(side, folder))
            wait_for_state(node, good.SOPInstanceUID, "delivered")
            wait_for_state(node, side.SOPInstanceUID, "not eligible")
            yield node, scrape(node), len(pacs.stores)


def test_what_happened_is_counted_by_device_destination_and_reason(worked):
    _, text, stored = worked
    told = samples(text)
    assert told["received_total", "MODALITY"] == 2
    assert told["scheduled_total", "MODALITY"] == 1
    assert told["not_eligible_total", "VIEW_LATERAL", "MODALITY"] == 1
    assert told["completed_total", "MODALITY"] == 1
    assert told["delivery_sent_total", "pacs"] == stored
    assert told["stored_seconds_count",] == 1
    assert told["stored_seconds_bucket", "+Inf"] == 1
    assert (told["model_images_total",], told["model_batches_total",]) == (1, 1)
    assert told["queue_depth", "queued"] == 0
    assert told["disk_full_in_seconds",] > 0
    assert told["trouble", "database"] == 0


def test_a_second_look_counts_nothing_twice(worked):
    node, text, _ = worked
    counts = {key: value for key, value in samples(text).items() if "total" in key[0]}
    again = samples(scrape(node))
    assert {key: again[key] for key in counts} == counts


def test_promtool_finds_nothing_to_say_about_the_text(worked):
    promtool = _program("promtool")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        check=False,
        input=worked[1].encode(),
        capture_output=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_rules_and_dashboard_ask_for_metrics_that_the_node_has(worked):
    known = {key[0] for key in samples(worked[1])}
    families = set(re.findall(r"^# TYPE (\S+)", worked[1], re.MULTILINE))
    known |= {f"cxr_node_{name}" for name in known} | families
    files = (CONF / "prometheus" / "rules.yml", CONF / "grafana" / "cxr-node.json")
    for file in files:
        asked = set(re.findall(r"cxr_node_[a-z_]+", file.read_text()))
        assert asked
        assert {re.sub("_bucket$", "", one) for one in asked} <= known


def test_the_dashboard_is_json_whose_panels_do_not_overlap():
    board = json.loads((CONF / "grafana" / "cxr-node.json").read_text())
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({one["id"] for one in board["panels"]}) == len(places)


def test_the_rules_fire_when_they_should():
    promtool = _program("promtool")
    for words in (
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules_test.yml"),
    ):
        done = subprocess.run(
            [promtool, *words],
            check=False,
            cwd=CONF / "prometheus",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_a_running_node(worked, tmp_path):
    node, _, _ = worked
    port = free_port()
    shipped = (CONF / "prometheus" / "prometheus.yml").read_text()
    text = shipped.replace("127.0.0.1:8042", f"127.0.0.1:{node.http_port}")
    (tmp_path / "prometheus.yml").write_text(text.replace("15s", "1s"))
    shutil.copy(CONF / "prometheus" / "rules.yml", tmp_path)
    words = [
        _program("prometheus"),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        assert wait_until(lambda: _asked(port, 'up{job="cxr-node"}') == ["1"])
        assert _asked(port, "cxr_node_received_total") == ["2"]
    finally:
        process.terminate()
        process.wait(60)


def _asked(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.request.quote(query)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return [one["value"][1] for one in found]


def test_without_a_key_only_named_addresses_may_scrape(tmp_path):
    keys = {"port": 0, "auth": {"api_keys": [KEY]}}
    for allow, expected in ((["127.0.0.1"], 200), (["192.0.2.7"], 401)):
        conf = settings(tmp_path, http=keys, metrics={"allow": allow})
        with scripted_node(conf, Role.WEB) as node:
            assert _status(node) == expected
            assert _status(node, Authorization=f"Bearer {KEY}") == 200


def test_a_scraper_is_told_that_the_database_does_not_answer():
    def fails():
        raise DatabaseUnavailable("the database failed")

    anywhere = [ipaddress.ip_network("127.0.0.0/8")]
    app = create_app([])
    app.add_middleware(ScrapersEntrance, expose=fails, allow=anywhere)
    with serving(app) as port:
        status, said = request(port, "GET", "/metrics")
    assert (status, said["detail"]) == (503, "the database failed")


def test_where_metrics_are_off_there_are_none(tmp_path):
    conf = settings(tmp_path, metrics={"enabled": False, **HERE})
    with scripted_node(conf, Role.WEB) as node:
        assert _status(node) == 404


def _status(node, **headers):
    try:
        scrape(node, **headers)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    return 200


def _program(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: see scripts/install-test-peers")
    return found


RESULT = {"opacity_score": 0.05, "severity": {"total": 3.0}}


def test_counts_are_the_same_on_every_database_and_from_every_process(
    database, database_url
):
    receive(database, 1, 2, 3)
    (first, second) = claim(database, 2)
    settle(database, first, result=RESULT)
    with database.transaction() as tx:
        attempts.reap(tx, after(5000))
    fold(database, 500)
    with closing(Database(database_url)) as other:
        fold(other, 500)
        with other.transaction(read_only=True) as tx:
            counts = tallies.read(tx)
    assert counts["received", ("MODALITY1",)] == 3
    assert counts["analyzed", ("MODALITY1",)] == 1
    assert counts["lease_expired", ("MODALITY1",)] == 1
    assert second.workitem_uid != first.workitem_uid


def test_invented_titles_do_not_make_series_without_end(database, monkeypatch):
    monkeypatch.setattr(tallies, "DEVICES", 1)
    receive(database, 1)
    fold(database, 500)
    _rename(database)
    receive(database, 2)
    fold(database, 500)
    with database.transaction(read_only=True) as tx:
        counts = tallies.read(tx)
    assert counts["received", ("other",)] == 1


def _rename(database):
    """The first device is another now: what comes next is beyond the limit."""
    with database.transaction() as tx:
        tx.execute(
            update(tally).where(tally.c.name == "received").values(labels='["ANOTHER"]')
        )


def test_a_model_whose_films_change_drifts_and_one_whose_do_not_does_not():
    same = {"0-0.1": 90, "0.9-1": 10}
    assert distributions.psi(same, {"0-0.1": 45, "0.9-1": 5}) < 0.1
    assert distributions.psi(same, {"0-0.1": 10, "0.9-1": 90}) > 0.25


def test_the_first_films_of_a_model_are_its_reference(database):
    receive(database, *range(1, 7))
    model = ModelName("m", "1", "0" * 64)
    for item in claim(database, 6):
        settle(database, item, result=RESULT, model=model)
    fold(database, 5)
    with database.transaction(read_only=True) as tx:
        drifts = distributions.drifts(tx, after(0).date())
    found = {(one.model, one.device, one.measure): one for one in drifts}
    assert found["m@1", "MODALITY1", "score"].films == 6
    assert found["m@1", "MODALITY1", "severity"].psi == pytest.approx(0)
