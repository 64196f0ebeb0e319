from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicom_node.dimse.presentation import (
    MAXIMUM_CONTEXTS,
    STORAGE_CLASSES,
    TRANSFER_SYNTAXES,
    acceptor_contexts,
    storage_requestor_contexts,
)

MODALITIES_SEND = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
}


def test_every_transfer_syntax_of_the_modalities_is_accepted():
    assert set(TRANSFER_SYNTAXES) == MODALITIES_SEND
    contexts = acceptor_contexts("Storage")
    assert [context.abstract_syntax for context in contexts] == list(STORAGE_CLASSES)
    for context in contexts:
        assert set(context.transfer_syntax) == MODALITIES_SEND


def test_verification_is_accepted_uncompressed():
    (context,) = acceptor_contexts("Verification")
    assert context.abstract_syntax == "1.2.840.10008.1.1"
    assert context.transfer_syntax == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def test_no_lossy_syntax_is_preferred_to_a_lossless_one():
    lossy = [uid in LOSSY for uid in TRANSFER_SYNTAXES]
    assert lossy == sorted(lossy)


LOSSY = {
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
}


def test_an_uncompressed_object_is_offered_in_both_value_representations():
    contexts = storage_requestor_contexts(
        [
            (SegmentationStorage, ExplicitVRLittleEndian),
            (SegmentationStorage, ExplicitVRLittleEndian),
            (SecondaryCaptureImageStorage, JPEGBaseline8Bit),
        ]
    )
    assert [(cx.abstract_syntax, cx.transfer_syntax) for cx in contexts] == [
        (SegmentationStorage, [ExplicitVRLittleEndian]),
        (SegmentationStorage, [ImplicitVRLittleEndian]),
        (SecondaryCaptureImageStorage, [JPEGBaseline8Bit]),
    ]


def test_no_more_contexts_are_proposed_than_an_association_has_ids():
    objects = [(f"1.2.3.{number}", JPEG2000Lossless) for number in range(500)]
    assert len(storage_requestor_contexts(objects)) == MAXIMUM_CONTEXTS
