"""What changes under a running node: peers, destinations, certificates, the log."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable, SettingsInvalid
from dicom_node.node.roles import Role
from tests.factories.certificates import Authority
from tests.factories.choices import timeouts
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS

ROOT = Path(__file__).resolve().parents[2]


def film(folder, seed=0):
    dataset = synthetic_dataset("CR", seed, rows=512, columns=448)
    return dataset, save(dataset, folder)


def ask(node, calling="MODALITY", tls=None):
    remote = RemoteAE("CXR_NODE", "127.0.0.1", node.dimse_port, tls)
    echo(remote, calling_ae=calling, timeouts=timeouts(message_s=10))


def shown(port):
    """The name on the certificate that a listener shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 30) as line,
        context.wrap_socket(line) as secure,
    ):
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))


def test_a_new_peer_is_let_in_and_a_former_one_is_not(tmp_path):
    peers = {"dimse": {"port": 0, "peers": [{"ae_title": "MODALITY2"}]}}
    with scripted_node(settings(tmp_path), Role.RECEIVE) as node:
        ask(node, "MODALITY")
        with pytest.raises(PeerUnreachable):
            ask(node, "MODALITY2")
        assert node.reload(settings(tmp_path, **peers)) == ()
        ask(node, "MODALITY2")
        with pytest.raises(PeerUnreachable):
            ask(node, "MODALITY")


def test_results_go_to_the_destinations_of_now(tmp_path):
    first, second = PACS(), PACS()
    with first.listening() as one, second.listening() as two:
        started = settings(tmp_path / "node", [destination("old", one)])
        changed = settings(
            tmp_path / "node",
            [destination("new", two, evidence=("measurement-report", "pdf"))],
        )
        with scripted_node(started) as node:
            dataset, path = film(tmp_path, 1)
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
            node.reload(changed)
            dataset, path = film(tmp_path, 2)
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
            assert get(node, "/health/ready")["status"] == "ready"
    assert len(first.held) == len(EVIDENCE)
    modalities = sorted(one.Modality for one in second.datasets())
    assert modalities == ["DOC", "SR"]


def test_what_waits_for_a_destination_goes_where_it_is_now(tmp_path, free_port):
    pacs = PACS()
    with pacs.listening() as port:
        away = settings(tmp_path / "node", [destination("pacs", free_port)])
        with scripted_node(away) as node:
            dataset, path = film(tmp_path)
            send(node, path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivering")
            node.reload(settings(tmp_path / "node", [destination("pacs", port)]))
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")


def test_the_next_handshakes_are_made_with_the_certificates_of_now(tmp_path):
    authority = Authority(tmp_path)
    files = authority.issue("first")

    def secured(files):
        tls = {"certificate": files[0], "key": files[1], "ca": authority.ca}
        return settings(
            tmp_path / "node",
            dimse={"port": 0, "peers": [{"ae_title": "MODALITY"}], "tls": tls},
            http={"port": 0, "tls": tls},
        )

    client = ssl.create_default_context(cafile=str(authority.ca))
    client.load_cert_chain(*authority.issue("modality"))
    with scripted_node(secured(files)) as node:
        ask(node, tls=client)
        for port in (node.dimse_port, node.http_port):
            assert shown(port) == files[0].read_text()
        # As a hospital does it: other files under the same names.
        former = files[0].read_text()
        for old, new in zip(files, authority.issue("second"), strict=True):
            old.write_bytes(new.read_bytes())
        node.reload(secured(files))
        for port in (node.dimse_port, node.http_port):
            assert shown(port) == files[0].read_text() != former
        ask(node, tls=client)


def test_an_authority_that_is_trusted_no_more_opens_nothing(tmp_path):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    files = ours.issue("node")

    def trusting(authority):
        tls = {"certificate": files[0], "key": files[1], "ca": authority.ca}
        return settings(
            tmp_path / "node",
            dimse={"port": 0, "peers": [{"ae_title": "MODALITY"}], "tls": tls},
        )

    client = ssl.create_default_context(cafile=str(ours.ca))
    client.load_cert_chain(*theirs.issue("modality"))
    with scripted_node(trusting(theirs), Role.RECEIVE) as node:
        ask(node, tls=client)
        node.reload(trusting(ours))
        with pytest.raises(PeerUnreachable):
            ask(node, tls=client)


def test_what_cannot_be_used_changes_nothing(tmp_path):
    conf = settings(tmp_path / "node")
    tls = {"certificate": tmp_path / "absent.pem", "key": tmp_path / "absent.key"}
    broken = settings(
        tmp_path / "node",
        dimse={"port": 0, "peers": [{"ae_title": "OTHER"}]},
        http={"port": 0, "tls": tls},
    )
    worse = settings(
        tmp_path / "node",
        dimse={
            "port": 0,
            "peers": [{"ae_title": "OTHER"}],
            "tls": tls | {"require_client_certificate": False},
        },
    )
    with scripted_node(conf, Role.RECEIVE) as node:
        # HTTP does not become HTTPS under a running node: its files are not looked at.
        assert node.reload(broken) == ("http.tls",)
        ask(node, "OTHER")
        with pytest.raises(SettingsInvalid, match=r"absent\.pem"):
            node.reload(worse)
        ask(node, "OTHER")


def test_keys_that_wait_for_a_restart_are_named(tmp_path):
    conf = settings(tmp_path, http={"port": 0})
    other = settings(
        tmp_path,
        http={"port": 0, "auth": {"api_keys": ["a-key-of-many-characters"]}},
        model={"batch_size": 3},
    )
    with scripted_node(conf, Role.WEB) as node:
        assert node.reload(other) == ("http.auth", "model.batch_size")
        assert request(node, "GET", "/api/v1/jobs")[0] == 200


def test_a_destination_that_is_gone_is_told_of(tmp_path, free_port, caplog):
    with scripted_node(
        settings(tmp_path / "node", [destination("pacs", free_port)])
    ) as node:
        dataset, path = film(tmp_path)
        send(node, path)
        wait_for_state(node, dataset.SOPInstanceUID, "delivering")

        def told():
            # Due again after its pause: then somebody would have to be there.
            node.reload(settings(tmp_path / "node"))
            return any("not configured any more" in line for line in caplog.messages)

        assert wait_until(told)


SERVE = ("-m", "dicom_node", "serve")
CONFIG = """
[node]
data_dir = "{folder}/data"
minimum_free_bytes = 0
log_file = "{folder}/node.log"
[dimse]
port = {port}
[[dimse.peers]]
ae_title = "{peer}"
[http]
port = 0
"""


@contextmanager
def serving(folder, port):
    config = folder / "node.toml"
    config.write_text(CONFIG.format(folder=folder, port=port, peer="MODALITY"))
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, *SERVE, "--config", str(config), "--role", "receive"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "CXR_NODE_SECRETS_DIR": "/none"},
            stderr=stderr,
        )
    log = folder / "node.log"
    try:
        assert wait_until(lambda: log.exists() and "is ready" in log.read_text())
        yield config, log, process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_sighup_reads_everything_again_and_never_ends_the_node(tmp_path, free_port):
    remote = RemoteAE("CXR_NODE", "127.0.0.1", free_port)
    with serving(tmp_path, free_port) as (config, log, process):
        log.rename(tmp_path / "node.log.1")
        former = config.read_text()
        good = former.replace('"MODALITY"', '"SCANNER"')
        config.write_text(good)
        process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: log.exists() and "SIGHUP" in log.read_text())
        echo(remote, calling_ae="SCANNER", timeouts=timeouts())
        broken = (
            "nonsense",
            good.replace(str(free_port), "no"),
            good.replace("node.log", "absent/node.log"),
            good + '[dimse.tls]\ncertificate = "a"\nkey = "b"\nca = "c"\n',
            good + "[wrong]\n",
        )
        for count, text in enumerate(broken, 2):
            config.write_text(text.replace("SCANNER", "NOBODY"))
            process.send_signal(signal.SIGHUP)
            assert wait_until(lambda n=count: log.read_text().count("SIGHUP") == n)
            echo(remote, calling_ae="SCANNER", timeouts=timeouts())
        config.unlink()
        process.send_signal(signal.SIGHUP)
        count = len(broken) + 2
        assert wait_until(lambda: log.read_text().count("SIGHUP") == count)
        assert process.poll() is None
        assert "Traceback" not in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert (tmp_path / "stderr").read_text() == ""
    lines = log.read_text().splitlines()
    assert len([line for line in lines if " ERROR " in line]) == len(broken) + 1


def test_a_certificate_that_ends_soon_is_a_warning_until_it_is_exchanged(
    tmp_path, caplog
):
    authority = Authority(tmp_path)

    def secured(name, days):
        certificate, key = authority.issue(name, days)
        tls = {"certificate": certificate, "key": key, "ca": authority.ca}
        return settings(tmp_path / "node", dimse={"port": 0, "tls": tls})

    with scripted_node(secured("short", 10.5)) as node:
        status, told = request(node, "GET", "/health/ready")
        assert (status, list(told["warnings"])) == (200, ["dimse"])
        assert told["warnings"]["dimse"].endswith("in 10 days: renew it")
        for _ in range(3):
            node.remind()
        assert len([one for one in caplog.messages if "renew it" in one]) == 1
        node.reload(secured("long", 90))
        assert request(node, "GET", "/health/ready")[1]["warnings"] == {}
