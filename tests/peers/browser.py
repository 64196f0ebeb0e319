"""Headless Chromium, driven by Playwright, and what axe-core says of a page."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE_MS = 300_000
"""Longer than a page takes on the busiest machine."""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run"],
            timeout=PATIENCE_MS,
        )
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with a page, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found
        for node in one["nodes"]
    ]
