import re
from pathlib import Path

import pytest

from dicom_node.web.pages import texts
from dicom_node.web.pages.texts import TextsInvalid, load_texts
from storage.records import InstanceState

PAGES = Path(texts.__file__).parent


def own(tmp_path, content):
    path = tmp_path / "de.toml"
    path.write_text(content)
    return path


def test_a_sentence_is_said_with_its_values():
    assert load_texts()("today.target", target="2 min") == "target 2 min"


def test_a_sites_words_take_the_place_of_the_english_ones(tmp_path):
    site = own(tmp_path, '[today]\ntitle = "Heute"\ntarget = "Ziel {target}"\n')
    said = load_texts(site)
    assert said("today.title") == "Heute"
    assert said("today.target", target=3) == "Ziel 3"
    assert said("worklist.title") == "Worklist"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[today]\ntitel = "Heute"\n', "no page says today.titel"),
        ('[today]\ntarget = "Ziel {ziel}"\n', "other values"),
        ('[today]\ntarget = "Ziel {"\n', "other values"),
        ('[today]\ntarget = "Ziel {target.x}"\n', "other values"),
        ("[today", "not valid TOML"),
    ],
)
def test_words_that_cannot_be_used_are_refused_with_their_key(tmp_path, content, words):
    with pytest.raises(TextsInvalid, match=re.escape(words)):
        load_texts(own(tmp_path, content))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(TextsInvalid, match="absent"):
        load_texts(tmp_path / "absent.toml")


def test_every_state_has_a_word():
    keys = load_texts().keys
    assert {f"state.{state.replace(' ', '_')}" for state in InstanceState} <= keys


def test_the_pages_say_nothing_that_is_not_in_the_table_and_the_table_nothing_else():
    written = "".join(
        path.read_text(encoding="utf-8")
        for path in (*PAGES.rglob("*.html"), *PAGES.rglob("*.py"))
    )
    keys = load_texts().keys
    # whole keys, and beginnings of keys that go on with a variable
    said = set(re.findall(r"""f?["']([a-z]+\.[A-Za-z0-9_]*)(?:["'{])""", written))
    sections = {key.partition(".")[0] for key in keys}
    said = {one for one in said if one.partition(".")[0] in sections}
    begun = tuple(one for one in said if one.endswith((".", "_")))
    whole = {one for one in said if not one.endswith((".", "_", ".html"))}
    assert whole <= keys
    unsaid = {key for key in keys - said if not key.startswith(begun)}
    assert unsaid == set()
