"""What pages tell people to type, as the tests run it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commands(page: str, heading: str) -> list[str]:
    """Read the shell lines under a heading of a page in ``docs``; without comments."""
    text = (ROOT / "docs" / page).read_text()
    section = re.split(rf"^## {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    joined = "".join(blocks).replace("\\\n", " ")
    lines = (re.sub(r"\s+#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def tables(page: str, heading: str) -> list[str]:
    """Read the TOML under a heading of a page in ``docs``, block by block."""
    text = (ROOT / "docs" / page).read_text()
    section = re.split(rf"^## {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    return re.findall(r"^```toml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
