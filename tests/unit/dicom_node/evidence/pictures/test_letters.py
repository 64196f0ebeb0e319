import pytest

from dicom_node.evidence.pictures.letters import (
    OWN,
    SYSTEM_TYPES,
    UNSHOWN,
    person,
    shown,
)

INSTALLED = {path.stem for path in SYSTEM_TYPES if path.is_file()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müller^Jörg", "Müller Jörg"),
        ("Łukaszewicz^Żaneta^^Dr.", "Łukaszewicz Żaneta Dr."),
        ("Nguyễn^Thị", "Nguyễn Thị"),
        ("Иванова^Мария", "Иванова Мария"),
        ("Διονυσίου^Ελένη", "Διονυσίου Ελένη"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou"),
    ],
)
def test_a_name_is_set_in_the_nodes_own_type(name, text):
    assert person(name, others=()) == (text, OWN)


@pytest.mark.parametrize("name", ["山田^太郎", "=홍^길동=", "שלום", "محمد"])
def test_a_name_that_no_type_has_is_said_not_to_be_shown(name):
    assert person(name, others=()) == (UNSHOWN, OWN)


def test_a_name_is_never_shown_in_part():
    assert person("Yamada 山田", others=()) == (UNSHOWN, OWN)
    assert shown("ID-山", others=()) == (UNSHOWN, OWN)


def test_nothing_is_a_dash():
    assert person("") == person(None) == shown("") == ("-", OWN)
    assert person("^^=") == ("-", OWN)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("山田^太郎", "DroidSansFallbackFull"),
        ("王^小東", "DroidSansFallbackFull"),
        ("やまだ^たろう", "DroidSansFallbackFull"),
        ("홍^길동", "NanumGothic"),
    ],
)
def test_east_asian_names_are_set_in_a_type_of_the_machine(name, type_):
    if type_ not in INSTALLED:
        pytest.skip(f"{type_} (fonts-droid-fallback, fonts-nanum) is not installed")
    assert person(name) == (name.replace("^", " "), type_)


def test_a_type_that_is_no_type_is_passed_over(tmp_path):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a type")
    assert person("山田", others=(broken, tmp_path / "absent.ttf")) == (UNSHOWN, OWN)
