"""One table of states for every view, the documentation included."""

import re
from pathlib import Path

from storage.records import InstanceState
from storage.states import MEANINGS, STANDINGS

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def test_every_state_has_its_row():
    assert set(MEANINGS) == set(InstanceState)
    assert len(STANDINGS) == len(InstanceState)


def test_the_documentation_shows_the_very_table():
    text = OPERATIONS.read_text(encoding="utf-8")
    section = text.partition("## What happens to an image")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!-|state )(.*) \|$", section, re.MULTILINE)
    shown = [tuple(row.split(" | ")) for row in rows if row.count(" | ") == 3]
    assert shown == [
        (row.state.value, row.step, row.meaning, row.remedy) for row in STANDINGS
    ]
