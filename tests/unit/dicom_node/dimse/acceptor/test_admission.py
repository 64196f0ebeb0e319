from types import SimpleNamespace

import pytest

from dicom_node.dimse.acceptor.admission import (
    NOT_OUR_TITLE,
    UNKNOWN_CALLER,
    WRONG_ADDRESS,
    WRONG_CONTEXT,
    Peer,
    rejection_of,
)


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


DICOM = "1.2.840.10008.3.1.1.1"
PEERS = (Peer("MODALITY1", "192.0.2.7"), Peer("MODALITY1", "192.0.2.8"))


def asking(calling="MODALITY1", called="CXR_NODE", context=DICOM):
    return SimpleNamespace(
        application_context_name=context,
        called_ae_title=f"{called}  ",
        calling_ae_title=f"{calling}  ",
    )


@pytest.mark.parametrize(
    ("request_", "address", "rejection"),
    [
        (asking(), "192.0.2.8", None),
        (asking(), "192.0.2.9", WRONG_ADDRESS),
        (asking(calling="STRANGER"), "192.0.2.7", UNKNOWN_CALLER),
        (asking(called="SOMEBODY"), "192.0.2.7", NOT_OUR_TITLE),
        (asking(context="1.2.3"), "192.0.2.7", WRONG_CONTEXT),
    ],
)
def test_who_may_not_associate_is_told_why(request_, address, rejection):
    told = rejection_of(
        request_, address, our_titles=["CXR_NODE", "CXR_ER"], peers=PEERS
    )
    assert told == rejection


def test_any_caller_and_any_title_may_do():
    stranger = asking(calling="STRANGER", called="SOMEBODY")
    assert rejection_of(stranger, "192.0.2.9", our_titles=None, peers=None) is None
