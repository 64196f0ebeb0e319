import ssl

import pytest

from dicom_node.errors import SettingsInvalid
from dicom_node.node.tls import Certificates, client_context, server_context
from tests.factories.certificates import self_signed


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed(folder)
    return Certificates(certificate, key, certificate)


@pytest.mark.parametrize("make", [client_context, server_context])
def test_nothing_older_than_tls_1_2_and_no_weak_cipher_is_spoken(files, make):
    options = {"require_client": True} if make is server_context else {}
    context = make(files, **options)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert names
    assert all("GCM" in name or "CHACHA20" in name for name in names)


def test_both_sides_show_certificates_by_default(files):
    assert server_context(files, require_client=True).verify_mode == ssl.CERT_REQUIRED
    assert client_context(files).verify_mode == ssl.CERT_REQUIRED


def test_a_listener_may_let_anybody_in(files):
    assert server_context(files, require_client=False).verify_mode == ssl.CERT_NONE


def test_files_that_cannot_be_used_are_named(files, tmp_path):
    absent = Certificates(tmp_path / "absent.pem", files.key)
    with pytest.raises(SettingsInvalid, match=r"absent\.pem"):
        server_context(absent, require_client=False)
    swapped = Certificates(files.key, files.certificate)
    with pytest.raises(SettingsInvalid):
        client_context(swapped)
