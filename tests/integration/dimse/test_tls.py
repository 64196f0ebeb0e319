import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.dimse.scu.association import Timeouts
from dicom_node.dimse.scu.storage import send
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from tests.factories.certificates import self_signed
from tests.peers.receiving import MODALITY, PATIENT, encoded, radiograph, written


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    return self_signed(tmp_path)


@pytest.fixture
def server(certificate) -> ssl.SSLContext:
    """Mutual TLS."""
    file, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    context.load_verify_locations(file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def client(certificate) -> ssl.SSLContext:
    file, key = certificate
    context = ssl.create_default_context(cafile=str(file))
    context.load_cert_chain(file, key)
    return context


def test_images_come_and_go_over_mutual_tls(start, server, client, tmp_path):
    node = start(tls=server)
    remote = replace(node.remote, tls=client)
    echo(remote, calling_ae=MODALITY, timeouts=PATIENT)
    image = radiograph(1, PixelData=bytes(range(256)) * 8000)
    path = tmp_path / "a.dcm"
    path.write_bytes(written(image))
    (result,) = send([path], remote, calling_ae=MODALITY, timeouts=PATIENT)
    assert result.status == 0
    assert node.receiver.stored(image.SOPInstanceUID).endswith(encoded(image))


def test_callers_without_certificate_or_without_tls_get_nowhere(
    start, server, certificate
):
    node = start(tls=server)
    anonymous = ssl.create_default_context(cafile=str(certificate[0]))
    quick = Timeouts(connection_s=2, association_s=2, message_s=2, network_s=2)
    for context in (anonymous, None):
        with pytest.raises(PeerUnreachable):
            echo(
                replace(node.remote, tls=context),
                calling_ae=MODALITY,
                timeouts=quick,
            )


def test_a_caller_who_does_not_shake_hands_holds_nobody_up(start, server, client, dial):
    node = start(tls=server, association_timeout_s=600.0)
    dial(node.port)
    echo(replace(node.remote, tls=client), calling_ae=MODALITY, timeouts=PATIENT)


def test_a_caller_who_does_not_shake_hands_is_cut_off(start, server, dial):
    node = start(tls=server, association_timeout_s=0.5)
    assert dial(node.port).hear() == b""
