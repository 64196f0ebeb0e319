import json

from dicom_node.analysis.past import Past
from dicom_node.analysis.process import Analyzed
from dicom_node.analysis.settlement import Settlements
from storage.records import Job, ModelName
from tests.factories.analyses import a_frame, a_subject
from tests.factories.radiographs import synthetic_dataset
from tests.factories.results import PRIOR, REPORT, a_row, the_analysis
from tests.factories.rows import a_workitem, an_instance
from tests.fakes.object_store import MemoryObjectStore


def settled(past):
    """What is settled of the film of the row, with nobody to deliver to."""
    source = synthetic_dataset("CR", rows=256, columns=200)
    analyzed = Analyzed(source, a_frame(), the_analysis(), (), a_subject(source))
    settlements = Settlements(MemoryObjectStore(), ())
    return settlements.of_analysis(a_workitem(), an_instance(), analyzed, past)


def test_the_row_of_an_analysis_is_what_it_always_was_to_the_byte():
    outcome = settled(Past(prior=PRIOR, predecessor=REPORT))
    row = a_row() | {"view": "PA"}
    assert outcome.maker == row.pop("maker")
    assert json.dumps(outcome.result) == json.dumps(row)
    assert outcome.model == ModelName(**row["model"])


def test_a_repetition_leaves_the_row_of_the_first_time_word_for_word():
    first = a_row() | {"a later version": "said more"}
    model = ModelName("then", "1", "0" * 64)
    repeated = Job(a_workitem(result=first, model=model, maker="m"), an_instance())
    again = settled(Past(repeated=repeated))
    assert (again.result, again.model, again.maker) == (first, model, "m")
