"""The pages as a person has them: Chromium, the keyboard, and axe-core."""

import pytest

from dicom_node.web.pages.face import NAVIGATION
from tests.factories.nodes import (
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.browser import PATIENCE_MS, chromium, violations
from tests.peers.pacs import PACS

PHONE, LAPTOP = {"width": 390, "height": 844}, {"width": 1366, "height": 768}


def film(folder, seed, date, **changes):
    dataset = synthetic_dataset(
        "CR",
        seed,
        rows=512,
        columns=448,
        PatientID="BROWSER",
        StudyDate=date,
        AcquisitionDate=date,
        **changes,
    )
    return dataset.SOPInstanceUID, save(dataset, folder)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    pacs = PACS()
    with pacs.listening():
        chosen = settings(folder, [destination("pacs", pacs.port)])
        with scripted_node(chosen) as node:
            for seed, date in ((1, "20260101"), (2, "20260201")):
                uid, path = film(folder, seed, date)
                send(node, path)
                job = wait_for_state(node, uid, "delivered")["workitem_uid"]
            lateral, path = film(folder, 3, "20260201", ViewPosition="LL")
            send(node, path)
            wait_for_state(node, lateral, "not eligible")
            yield node, folder, job, lateral


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def look(node, browser):
    """Opens a page; what the browser complains of fails the test."""
    complaints, contexts = [], []

    def opened(path, *, scheme="light", viewport=LAPTOP, motion="no-preference"):
        context = browser.new_context(
            color_scheme=scheme, viewport=viewport, reduced_motion=motion
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.type == "error" and complaints.append(said.text),
        )
        page.goto(f"http://127.0.0.1:{node[0].http_port}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def addresses(node):
    _, _, job, lateral = node
    return [
        *(address for _, address in NAVIGATION),
        "/?wall=1",
        f"/jobs/{job}",
        f"/films/{lateral}",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_any_page(node, look, scheme):
    found = {}
    page = look("/", scheme=scheme, motion="reduce")
    for path in addresses(node):
        page.goto(f"http://127.0.0.1:{node[0].http_port}{path}")
        if wrong := violations(page):
            found[path] = wrong
    assert found == {}


def test_a_phone_shows_every_page_without_scrolling_sideways(node, look):
    page = look("/", viewport=PHONE)
    for path in addresses(node):
        page.goto(f"http://127.0.0.1:{node[0].http_port}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], path


def test_the_film_is_handled_by_mouse_and_by_keyboard(node, look):
    page = look(f"/jobs/{node[2]}")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-film]')]"
        ".every(one => one.naturalWidth > 0)"
    )
    viewer = page.locator("[data-viewer]")
    screen = page.locator("[data-screen]").first
    assert page.locator("[data-film]").count() == 2
    screen.focus()
    page.keyboard.press("+")
    assert viewer.get_attribute("data-scale") == "1.25"
    lungs = page.locator("[data-overlay=lungs]")
    assert lungs.is_hidden()
    page.keyboard.press("l")
    assert lungs.is_visible()
    page.keyboard.press("o")
    assert page.locator("[data-overlay=opacities]").first.is_hidden()
    page.keyboard.press("0")
    assert viewer.get_attribute("data-scale") == "1.00"
    box = screen.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 50, steps=4)
    page.mouse.up()
    brightness, contrast = map(float, viewer.get_attribute("data-window").split())
    assert brightness > 1
    assert contrast > 1


def test_outlines_lie_where_the_film_lies(node, look):
    page = look(f"/jobs/{node[2]}")
    page.wait_for_function("() => document.querySelector('[data-film]').complete")
    film_box = page.locator("[data-film]").first.bounding_box()
    outline = page.locator("[data-overlay=opacities]").first.bounding_box()
    assert outline == pytest.approx(film_box, abs=1)


def test_a_film_that_comes_appears_without_reload(node, look):
    running, folder, _, _ = node
    page = look("/worklist")
    page.locator("#live.on").wait_for()
    before = page.locator("tbody tr").count()
    uid, path = film(folder, 7, "20260301", AccessionNumber="LIVE7")
    send(running, path)
    page.get_by_text("LIVE7", exact=True).wait_for()
    assert page.locator("tbody tr").count() == before + 1
    wait_for_state(running, uid, "delivered")


def test_jobs_are_chosen_confirmed_and_done_by_keyboard_alone(node, look):
    page = look(f"/worklist?uid={node[2]}")
    page.get_by_label("Select all on this page").focus()
    page.keyboard.press("Space")
    assert page.locator("#bulk input[name=uid]").is_checked()
    page.get_by_role("button", name="Analyse again").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Are you sure?").wait_for()
    page.get_by_role("button", name="Yes, do it").focus()
    page.keyboard.press("Enter")
    page.get_by_text("1 of 1 jobs: done.").wait_for()


def test_dark_or_light_is_kept_as_chosen(look):
    page = look("/", scheme="light")
    page.get_by_role("button", name="Dark or light").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
