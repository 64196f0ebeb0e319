"""TLS as hospitals run it: what is spoken, and the line that a failure leaves."""

import shutil
import socket
import ssl
import subprocess
from contextlib import suppress

import pytest

from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from dicom_node.node.roles import Role
from tests.factories.certificates import Authority
from tests.factories.choices import timeouts
from tests.factories.nodes import scripted_node, settings, wait_until

DOORS = ("dimse_port", "http_port")
SUITES = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A node with mutual TLS at both doors, and its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    certificate, key = authority.issue("node")
    tls = {"certificate": certificate, "key": key, "ca": authority.ca}
    tls |= {"require_client_certificate": True}
    conf = settings(
        folder / "data",
        dimse={"port": 0, "peers": [{"ae_title": "MODALITY"}], "tls": tls},
        http={"port": 0, "tls": tls},
    )
    with scripted_node(conf) as node:
        yield node, authority, authority.issue("modality")


@pytest.fixture(params=DOORS)
def door(request, site):
    return getattr(site[0], request.param)


def dialled(port, *options):
    """Say nothing more than a handshake, by OpenSSL's own program."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)],
        input="",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown(files):
    return ("-cert", files[0], "-key", files[1])


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_1_2_and_1_3_are_spoken(site, door, version):
    _, authority, files = site
    told = dialled(door, version, *shown(files), "-CAfile", authority.ca)
    assert "Verify return code: 0 (ok)" in told.stdout


@pytest.mark.parametrize("suite", SUITES)
def test_the_suites_of_bcp_195_are_spoken(site, door, suite):
    told = dialled(door, "-tls1_2", "-cipher", suite, *shown(site[2]))
    assert suite in told.stdout


@pytest.mark.parametrize(
    "offer",
    [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
    ],
    ids=" ".join,
)
def test_what_is_older_or_weaker_is_refused_in_one_line(site, door, offer, caplog):
    told = dialled(door, *offer, *shown(site[2]))
    assert "Cipher is (NONE)" in told.stdout
    one_line(caplog)


def test_plain_words_at_a_tls_door_are_one_line(door, caplog):
    with socket.create_connection(("127.0.0.1", door), 30) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        line.settimeout(60)
        with suppress(ConnectionResetError):
            while line.recv(4096):
                pass
    one_line(caplog)


def test_a_caller_without_certificate_is_one_line(site, door, caplog):
    for version in ("-tls1_2", "-tls1_3"):
        caplog.clear()
        dialled(door, version, "-CAfile", site[1].ca)
        assert "CERTIFICATE" in one_line(caplog)


def test_a_certificate_of_nobody_is_one_line(door, tmp_path, caplog):
    files = Authority(tmp_path, "nobody").issue("stranger")
    dialled(door, "-tls1_3", *shown(files))
    assert "CERTIFICATE" in one_line(caplog)


def test_a_certificate_that_has_ended_is_one_line(site, door, caplog):
    files = site[1].issue("ended", days=-1)
    dialled(door, "-tls1_3", *shown(files))
    assert "CERTIFICATE" in one_line(caplog)


def test_a_caller_who_does_not_trust_the_node_is_one_line(site, door, tmp_path, caplog):
    other = Authority(tmp_path, "other")
    context = ssl.create_default_context(cafile=str(other.ca))
    context.load_cert_chain(*site[2])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", door), 30) as line,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(line, server_hostname="127.0.0.1")
    one_line(caplog)


def test_a_title_may_be_bound_to_the_subject_of_a_certificate(tmp_path, caplog):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("node")
    tls = {"certificate": certificate, "key": key, "ca": authority.ca}
    peers = [
        {"ae_title": "BOUND", "certificate_subject": "CN=modality"},
        {"ae_title": "FREE"},
    ]
    conf = settings(tmp_path / "data", dimse={"port": 0, "peers": peers, "tls": tls})
    with scripted_node(conf, Role.RECEIVE) as node:

        def call(title, name):
            context = ssl.create_default_context(cafile=str(authority.ca))
            context.load_cert_chain(*authority.issue(name))
            remote = RemoteAE("CXR_NODE", "127.0.0.1", node.dimse_port, context)
            echo(remote, calling_ae=title, timeouts=timeouts())

        call("BOUND", "modality")
        call("FREE", "modality")
        call("FREE", "other")
        with pytest.raises(PeerUnreachable, match="calling AE title"):
            call("BOUND", "other")
    assert any(
        "comes with the certificate of CN=other" in line for line in caplog.messages
    )


def one_line(caplog):
    """The one line that is left, with the address and no traceback."""
    assert wait_until(lambda: bool(lines(caplog)), 30), caplog.messages
    (record,) = lines(caplog)
    assert "127.0.0.1" in record.message
    assert not record.exc_info
    return record.message


def lines(caplog):
    return [one for one in caplog.records if one.name.startswith("dicom_node")]
