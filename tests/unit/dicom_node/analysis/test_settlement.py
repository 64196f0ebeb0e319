import json

from pydicom.dataset import Dataset

from dicom_node.analysis.past import Past
from dicom_node.analysis.process import Analyzed
from dicom_node.analysis.settlement import Settlements
from storage.records import Job
from tests.factories.analyses import a_context, a_frame
from tests.factories.results import PRIOR, REPORT, a_row, the_analysis
from tests.factories.rows import a_workitem, an_instance
from tests.fakes.object_store import MemoryObjectStore


def settled(past):
    """What is settled of the film of the row, with nobody to deliver to."""
    analyzed = Analyzed(Dataset(), a_frame(), the_analysis(), (), a_context())
    settlements = Settlements(MemoryObjectStore(), ())
    return settlements.of_analysis(a_workitem(), an_instance(), analyzed, past)


def test_the_row_of_an_analysis_is_what_it_always_was_to_the_byte():
    outcome = settled(Past(prior=PRIOR, predecessor=REPORT))
    assert json.dumps(outcome.result) == json.dumps(a_row())


def test_a_repetition_leaves_the_row_of_the_first_time_word_for_word():
    first = a_row() | {"a later version": "said more"}
    repeated = Job(a_workitem(result=first), an_instance())
    assert settled(Past(repeated=repeated)).result == first
