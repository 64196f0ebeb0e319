"""The Markdown of the repository: docs/, and the pages beside what they describe."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS = 120
FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
TABLE = re.compile(r"^\s*\|")
# what has no place to break: a link, a picture or an address by itself
LINK = re.compile(r"^\s*(?:[-*] |\d+\. )?(?:!?\[[^]]*\]\([^)]*\)|<?https?://\S+)$")


def pages():
    names = subprocess.check_output(
        ["git", "ls-files", "-z", "--", "*.md"], cwd=ROOT, text=True
    )
    return [ROOT / name for name in names.split("\0") if name]


def too_long(text):
    """Give the numbers of the lines of prose that are longer than they should be."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif fenced or TABLE.match(line) or LINK.match(line):
            continue
        elif len(line) > COLUMNS:
            yield number


def test_no_line_of_prose_is_longer_than_120_columns():
    found = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in pages()
        for number in too_long(page.read_text("utf-8"))
    ]
    assert found == []


def test_tables_code_and_lone_links_may_be_longer():
    word = "x" * COLUMNS
    assert not list(too_long(f"| {word} |\n\n```\n{word} {word}\n```\n"))
    assert not list(too_long(f"![a picture](docs/{word}.png)\nhttps://example/{word}"))
    assert list(too_long(f"a {word}\n\n```\n```\n{word} {word}\n")) == [1, 5]


def test_every_page_is_looked_at():
    names = {page.relative_to(ROOT).as_posix() for page in pages()}
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md"} <= names
