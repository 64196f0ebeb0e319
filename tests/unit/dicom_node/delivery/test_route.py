from dicom_node.delivery.route import kinds_of
from tests.factories.choices import route
from tests.factories.rows import an_evidence

REPORTS = ("measurement-report-comprehensive", "measurement-report-enhanced")
PACS = route(
    destination="pacs",
    evidence=("segmentation", "measurement-report"),
    fallback={
        "segmentation": ("presentation-state", "secondary-capture"),
        "measurement-report": REPORTS,
    },
)


def test_only_wanted_kinds_go_out_at_once():
    made = [
        an_evidence(1, kind="presentation-state"),
        an_evidence(2, kind="segmentation"),
    ]
    (delivery,) = PACS.deliveries(made)
    assert (delivery.destination, delivery.sop_instance_uid) == ("pacs", "1.7.2")
    assert delivery.required


def test_stand_ins_come_best_first():
    assert tuple(PACS.stand_ins("measurement-report")) == REPORTS


def test_a_refused_stand_in_is_followed_by_the_next_of_its_chain():
    assert tuple(PACS.stand_ins(REPORTS[0])) == REPORTS[1:]
    assert tuple(PACS.stand_ins(REPORTS[1])) == ()


def test_a_kind_without_fallback_has_no_stand_in():
    assert tuple(PACS.stand_ins("lung-segmentation")) == ()


def test_what_may_be_needed_is_encoded_once_but_reports_only_once_in_all():
    other = route("other", ("secondary-capture", "segmentation"))
    assert kinds_of([PACS, other]) == (
        "segmentation",
        "presentation-state",
        "secondary-capture",
        "measurement-report",
    )


def test_where_a_kind_could_not_be_made_its_stand_in_goes_once():
    both = route(
        "both",
        ("segmentation", "presentation-state"),
        fallback={"segmentation": ("presentation-state",)},
    )
    made = [an_evidence(1, kind="presentation-state")]
    for receiver in (PACS, both):
        (delivery,) = receiver.deliveries(made, failed={"segmentation"})
        assert delivery.sop_instance_uid == "1.7.1"


def test_where_no_stand_in_could_be_made_either_the_rest_goes():
    made = [an_evidence(1, kind="segmentation")]
    (delivery,) = PACS.deliveries(made, failed={"measurement-report"})
    assert delivery.sop_instance_uid == "1.7.1"
