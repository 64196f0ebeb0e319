import threading

import pytest
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity

from dicom_node.dimse.acceptor.admission import Peer
from dicom_node.dimse.presentation import (
    VERIFICATION_CLASS,
    acceptor_contexts,
    context,
)
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerBusy, PeerUnreachable
from tests.factories.nodes import wait_until
from tests.peers.receiving import MODALITY, NODE, PATIENT

UNCOMPRESSED = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def call(node, *, calling=MODALITY, called=NODE):
    """Associate, and give the association back as it is."""
    return ApplicationEntity(calling).associate(
        "127.0.0.1",
        node.port,
        [context(VERIFICATION_CLASS, UNCOMPRESSED)],
        ae_title=called,
    )


def rejection(association):
    assert association.is_rejected
    answer = association.acceptor.primitive
    return answer.result, answer.result_source, answer.diagnostic


def test_another_called_title_is_rejected(start):
    assert rejection(call(start(), called="SOMEBODY")) == (1, 1, 7)


def test_any_called_title_is_accepted_when_told_so(start):
    association = call(start(require_called_ae_title=False), called="SOMEBODY")
    assert association.is_established
    association.release()


def test_unknown_callers_are_rejected_by_default(start):
    node = start(accept_unknown_peers=False, peers=(Peer(MODALITY),))
    assert rejection(call(node, calling="STRANGER")) == (1, 1, 3)
    association = call(node, calling=MODALITY)
    assert association.is_established
    association.release()


def test_a_known_caller_from_another_address_is_rejected(start):
    peers = (Peer(MODALITY, "192.0.2.0/24"), Peer("NEAR", "127.0.0.0/8"))
    node = start(accept_unknown_peers=False, peers=peers)
    assert rejection(call(node, calling=MODALITY)) == (1, 1, 3)
    association = call(node, calling="NEAR")
    assert association.is_established
    association.release()


def test_associations_beyond_the_limit_are_rejected_for_now(start):
    node = start(max_associations=2)
    held = [call(node), call(node)]
    assert all(association.is_established for association in held)
    assert rejection(call(node)) == (2, 3, 2)
    with pytest.raises(PeerBusy, match="local limit"):
        echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    held[0].release()
    assert wait_until(lambda: node.entity.associations == 1)
    held[0] = call(node)
    assert held[0].is_established
    for association in held:
        association.release()


def test_an_unknown_class_is_rejected_beside_a_known_one(start):
    node = start()
    wanted = [
        context("1.2.840.10008.5.1.4.1.1.2", UNCOMPRESSED),
        context(VERIFICATION_CLASS, UNCOMPRESSED),
        context(VERIFICATION_CLASS, ["1.2.840.10008.1.2.4.50"]),
    ]
    association = ApplicationEntity(MODALITY).associate(
        "127.0.0.1", node.port, wanted, ae_title=NODE
    )
    accepted = [item.abstract_syntax for item in association.accepted_contexts]
    results = sorted(item.result for item in association.rejected_contexts)
    association.release()
    assert accepted == [VERIFICATION_CLASS]
    assert results == [3, 4]  # abstract syntax, transfer syntaxes not supported


def test_a_refused_class_and_a_rejected_caller_leave_one_line_each(start, caplog):
    node = start(accept_unknown_peers=False, peers=(Peer(MODALITY),))
    caller = ApplicationEntity(MODALITY)
    offered = [
        context(VERIFICATION_CLASS, UNCOMPRESSED),
        context("1.2.840.10008.5.1.4.1.1.2", UNCOMPRESSED),
    ]
    association = caller.associate("127.0.0.1", node.port, offered, ae_title=NODE)
    association.release()
    call(node, calling="STRANGER")
    lines = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    refused = [line for line in lines if "1.2.840.10008.5.1.4.1.1.2" in line]
    assert len(refused) == 1
    assert MODALITY in refused[0]
    assert VERIFICATION_CLASS not in refused[0]
    assert len([line for line in lines if "'STRANGER' at 127.0.0.1" in line]) == 1


def test_a_lossless_syntax_is_chosen_where_a_lossy_one_is_offered_too(start):
    node = start()
    sop_class = acceptor_contexts("Storage")[0].abstract_syntax
    offer = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"]
    association = ApplicationEntity(MODALITY).associate(
        "127.0.0.1", node.port, [context(sop_class, offer)], ae_title=NODE
    )
    (accepted,) = association.accepted_contexts
    association.release()
    assert accepted.transfer_syntax == ["1.2.840.10008.1.2.4.70"]


def test_a_stopping_node_lets_associations_end_and_rejects_new_ones(start):
    node = start()
    held = call(node)
    stopper = threading.Thread(target=node.entity.stop, args=(300,))
    stopper.start()
    assert wait_until(lambda: node.entity._stopping)
    assert rejection(call(node)) == (2, 3, 1)
    assert held.send_c_echo().Status == 0
    held.release()
    stopper.join(180)
    assert not stopper.is_alive()
    with pytest.raises(PeerUnreachable):
        echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)


def test_a_stopping_node_aborts_what_does_not_end(start):
    node = start()
    aborted = threading.Event()
    association = ApplicationEntity(MODALITY).associate(
        "127.0.0.1",
        node.port,
        [context(VERIFICATION_CLASS, UNCOMPRESSED)],
        ae_title=NODE,
        evt_handlers=[(evt.EVT_ABORTED, lambda _: aborted.set())],
    )
    assert association.is_established
    node.entity.stop(drain_s=0)
    assert aborted.wait(180)
    assert wait_until(lambda: node.entity.associations == 0)


def test_a_node_can_start_again(start):
    node = start()
    node.entity.stop(0)
    node.port = node.entity.start()
    echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)
