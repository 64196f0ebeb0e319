"""One film, read in every result: each says the same call, zones and numbers."""

import dataclasses
from datetime import timedelta

import pytest
from PIL import Image
from reportlab.platypus import Paragraph, Table

from dicom_node.evidence.encode import encode_all
from dicom_node.evidence.past import ObjectReference, Prior, Superseded
from dicom_node.evidence.pictures.drawing import Brush
from dicom_node.evidence.pictures.panel import Panel
from dicom_node.evidence.pictures.report_page import story
from dicom_node.evidence.wording.numbers import beside, measured, percent, probability
from dicom_node.evidence.wording.sentences import CALLS
from dicom_node.worklist.result import Result, model_name
from inference.findings import Call, Interval, Intervals
from tests.factories.analyses import (
    NOW,
    a_frame,
    a_subject,
    an_analysis,
    ellipse,
    two_lungs,
)
from tests.factories.radiographs import synthetic_dataset
from tests.factories.reports import sentences_of
from tests.fakes.runner import scripted_manifest

SIZE = (256, 200)
REPORT = ObjectReference("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2")
RANGES = Intervals(0.9, Interval(1.2, 33.4), Interval(2.5, 44.1), Interval(0, 21.7))


def of(opacities=None, **changes):
    return dataclasses.replace(an_analysis(a_frame(), opacities), **changes)


ANALYSES = {
    "opacity": of(intervals=RANGES),
    "opacity, no intervals": of(),
    "possible": of(call=Call.POSSIBLE, opacity_score=0.305, operating_point=0.3065),
    "none": of((), opacity_score=0.0076),
    "nothing outlined": of((), call=Call.OPACITY, opacity_score=0.7),
    "possible, nothing outlined": of((), call=Call.POSSIBLE, opacity_score=0.3),
    "whole lung": of([two_lungs(*SIZE)[1]], intervals=RANGES),
    "a trace": of([ellipse(*SIZE, (0.2, 0.3, 0.02, 0.02))]),
}


class Recorder(Brush):
    """Notes down what is written, and where."""

    written: list[tuple[float, float, str]]

    def text(self, at, text, type_, colour, anchor="ls"):
        self.written.append((at[1], at[0], text.replace("\u200a", "")))
        return super().text(at, text, type_, colour, anchor)


def on_the_picture(analysis, subject):
    brush = Recorder(Image.new("RGB", (420, 1440)))
    object.__setattr__(brush, "written", [])
    Panel(brush, 0, 420, 1.0).draw(analysis, subject, bottom=1400)
    return [text for _, _, text in sorted(brush.written)]


def on_the_page(analysis, subject):
    def words(flowable):
        if isinstance(flowable, Paragraph):
            yield flowable.text.replace("&lt;", "<").replace("&gt;", ">")
        elif isinstance(flowable, Table):
            for row in flowable._cellvalues:
                for cell in row:
                    for each in cell if isinstance(cell, list | tuple) else [cell]:
                        yield from words(each)
        elif isinstance(flowable, str):
            yield flowable

    return [
        text
        for flowable in story(subject, a_frame(), analysis)
        for text in words(flowable)
    ]


def a_film(analysis, **changes):
    source = synthetic_dataset("CR", rows=SIZE[0], columns=SIZE[1])
    subject = a_subject(source, **changes)
    report, state = (
        item.dataset
        for item in encode_all(
            ["measurement-report", "presentation-state"], subject, a_frame(), analysis
        )
    )
    caption = state.GraphicAnnotationSequence[0].TextObjectSequence[0]
    return {
        "report": sentences_of(report),
        "state": caption.UnformattedTextValue.split("\r\n"),
        "picture": on_the_picture(analysis, subject),
        "page": on_the_page(analysis, subject),
    }


@pytest.mark.parametrize("name", ANALYSES)
def test_every_result_says_the_same_call_zones_and_numbers(name):
    analysis = ANALYSES[name]
    said = Result.of(analysis, model_name(scripted_manifest())).to_json()
    severity, ranges = said["severity"], said["severity"]["interval"] or {}
    film, point = beside(said["opacity_score"], said["operating_point"])
    call = CALLS[Call(said["call"])]
    for kind, lines in a_film(analysis).items():
        text = " ".join(lines).lower()
        assert call.lower() in text, kind
        assert f"probability {film}, operating point {point}" in text, kind
        others = {each.lower() for each in CALLS.values()} - {call.lower()}
        if call != CALLS[Call.OPACITY]:
            assert "possible opacity" not in text or call == CALLS[Call.POSSIBLE]
            assert "no opacity found" not in text or call == CALLS[Call.NONE]
        else:
            assert not [each for each in others if each in text and each != "opacity"]
        for number, finding in enumerate(said["findings"], start=1):
            found = analysis.findings[number - 1]
            assert found.place in text, kind
            assert percent(finding["percent_of_lung"]) in text, kind
            assert probability(finding["score"]) in text, kind
        if said["findings"]:
            for side in ("total", "right", "left"):
                interval = Interval(*ranges[side]) if ranges else None
                value = measured(severity[side], interval)
                for part in value.split(" ("):
                    assert part.rstrip(")") in text, (kind, side)


def test_no_result_shows_a_percentage_large_that_is_only_possible():
    assert "15" not in on_the_picture(
        ANALYSES["possible"],
        a_subject(synthetic_dataset("CR", rows=256, columns=200)),
    )


PRIOR = Prior(
    NOW - timedelta(hours=15),
    total=50.0,
    right=60.0,
    left=40.0,
    interval=Interval(35.0, 70.0),
    view="AP supine",
)


def test_every_result_says_what_changed_which_film_it_is_and_what_it_replaces():
    analysis = of(intervals=RANGES)
    made = NOW - timedelta(days=2)
    lines_of = a_film(
        analysis,
        prior=PRIOR,
        predecessor=REPORT,
        superseded=Superseded(made, "default 2.2.0"),
        other_films=1,
    )
    for kind, lines in lines_of.items():
        text = " ".join(" ".join(lines).split())
        assert "AP supine" in text, kind
        assert "both lungs -35 percentage points" in text, kind
        assert "more than the error of the measurement" in text, kind
        assert "The views differ (AP supine then, PA here)" in text, kind
        assert "another frontal film" in text, kind
        assert "Replaces the report of 2026-03-0" in text, kind
        assert "what lies behind the heart" in text, kind
