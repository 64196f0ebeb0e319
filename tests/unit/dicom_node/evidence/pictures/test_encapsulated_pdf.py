import pytest

from dicom_node.evidence.pictures import letters
from dicom_node.evidence.pictures.encapsulated_pdf import encode
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


def a_source(**changes):
    return synthetic_dataset("CR", rows=256, columns=200, **changes)


def pdf_of(source, analysis=None):
    frame = a_frame()
    result = encode(a_subject(source), frame, analysis or an_analysis(frame))
    return result.EncapsulatedDocument[: result.EncapsulatedDocumentLength]


def test_the_document_is_a_whole_pdf():
    content = pdf_of(a_source())
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


def test_the_same_input_gives_the_same_page():
    assert pdf_of(a_source()) == pdf_of(a_source())


def test_the_type_is_embedded():
    assert pdf_of(a_source()).count(b"/FontFile2") >= 2


@pytest.mark.parametrize(
    "name",
    [
        "Müller^Jörg",
        "Иванова^Мария",
        "Yamada^Tarou=山田^太郎",
        "山田^太郎",
        "A&B^<C>",
        "",
    ],
)
def test_any_name_can_be_laid_out(name):
    source = a_source(SpecificCharacterSet="ISO_IR 192")
    source.PatientName = name
    assert pdf_of(source).startswith(b"%PDF-")


def test_a_name_of_east_asian_letters_is_set_with_a_type_that_is_embedded():
    if letters.type_for("山田太郎") is None:
        pytest.skip("no type for East Asian letters is installed")
    source = a_source(SpecificCharacterSet="ISO_IR 192")
    source.PatientName = "山田^太郎"
    assert pdf_of(source).count(b"/FontFile2") > pdf_of(a_source()).count(b"/FontFile2")


def test_many_findings_flow_onto_more_pages():
    frame = a_frame(300, 300)
    squares = []
    for number in range(60):
        mask = frame.pixels < -1
        row, column = 40 + 20 * (number // 6), 60 + 30 * (number % 6)
        mask[row : row + 4, column : column + 4] = True
        squares.append(mask)
    content = pdf_of(a_source(), an_analysis(frame, squares))
    assert content.count(b"/Type /Page\n") > 1
