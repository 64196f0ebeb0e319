import pytest

from dicom_node.dimse.acceptor.admission import Peer


@pytest.mark.parametrize(
    ("address", "caller", "is_peer"),
    [
        ("", "203.0.113.9", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.9/24", "192.0.2.200", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "192.0.2.7", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("localhost", "127.0.0.1", True),
        ("localhost", "192.0.2.7", False),
        ("no-such-host.invalid", "127.0.0.1", False),
    ],
)
def test_a_peer_comes_from_its_address_or_block(address, caller, is_peer):
    assert Peer("MODALITY1", address).comes_from(caller) is is_peer
