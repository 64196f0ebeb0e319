import ssl
from datetime import UTC, datetime

import pytest

from dicom_node.errors import SettingsInvalid
from dicom_node.node.tls import (
    Certificates,
    client_context,
    doubt,
    ends_at,
    server_context,
)
from tests.factories.certificates import Authority, self_signed


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


def test_a_certificate_is_spoken_of_from_thirty_days_before_its_end(tmp_path):
    now, authority = datetime.now(UTC), Authority(tmp_path)

    def said(name, days):
        certificate, key = authority.issue(name, days)
        return doubt(ends_at(Certificates(certificate, key)), now)

    assert said("long", 31.5) is None
    assert said("soon", 29.5).endswith("in 29 days: renew it")
    assert "ended on" in said("over", -1)
    assert doubt(ends_at(None), now) is None


def test_of_a_chain_the_first_end_counts(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("leaf", 90)
    between, _ = authority.issue("between", 5)
    certificate.write_bytes(certificate.read_bytes() + between.read_bytes())
    said = doubt(ends_at(Certificates(certificate, key)), datetime.now(UTC))
    assert "in 4 days" in said


def test_a_file_without_a_certificate_is_named(tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    files = Certificates(tmp_path / "empty.pem", tmp_path / "key.pem")
    with pytest.raises(SettingsInvalid, match=r"empty\.pem"):
        ends_at(files)
