from dicom_node.web.pages.texts import load_texts
from dicom_node.web.pages.views.words import reason_words
from storage.records import Cause, Reason


def test_what_to_do_is_told_by_the_code_or_else_by_whose_doing_it_was():
    texts = load_texts()
    known = reason_words(texts, Reason("DELIVERY_GIVEN_UP", "No.", Cause.FAILURE))
    other = reason_words(texts, Reason("ANYTHING", "No.", Cause.FAILURE))
    assert "Mend the destination" in known.remedy
    assert other.remedy == texts("remedy.of_failure")
    assert (other.code, other.said) == ("ANYTHING", "No.")
