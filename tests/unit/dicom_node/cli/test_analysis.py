from pathlib import Path

from dicom_node.analysis.process import Analyzed, Failed
from dicom_node.cli.analysis import describe, write
from dicom_node.errors import NotEligible
from tests.factories.analyses import a_frame, a_subject
from tests.factories.radiographs import synthetic_dataset
from tests.factories.results import the_analysis
from tests.fakes.runner import scripted_manifest

GOLDEN = Path(__file__).with_name("result.json")
GOLDEN_REFUSAL = Path(__file__).with_name("result-not-eligible.json")


def written(outcome, folder):
    write(outcome, describe(outcome, scripted_manifest()), folder)
    return (folder / "result.json").read_text()


def test_result_json_of_an_analysed_film_is_what_scripts_read_to_the_byte(tmp_path):
    source = synthetic_dataset("CR", rows=256, columns=200)
    outcome = Analyzed(source, a_frame(), the_analysis(), (), a_subject(source))
    assert written(outcome, tmp_path) == GOLDEN.read_text()


def test_result_json_of_a_refused_film_says_why_and_by_which_model(tmp_path):

    outcome = Failed(NotEligible("NOT_FRONTAL", "It is no frontal film."))
    assert written(outcome, tmp_path) == GOLDEN_REFUSAL.read_text()
