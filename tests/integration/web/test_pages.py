"""The web pages over a whole node: what people read there, and what they do."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from dicom_node.node.node import Node
from dicom_node.web.pages.face import NAVIGATION
from storage.database import Database
from tests.factories.nodes import (
    PATIENCE_S,
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS
from tests.peers.ports import free_port

NAME = "Zyxwvut^Marked"
HOSTILE = '"><script>1'


@dataclass(frozen=True)
class Shown:
    """A node that has worked: an analysed film, its follow-up, a lateral one."""

    node: Node
    first: str
    follow_up: str
    lateral: str
    job: str
    data_dir: Path

    def ask(self, path, *, form=None, accept="text/html", headers=()):
        """Ask for a page; a form is posted. Status, headers and text."""
        body = None if form is None else urllib.parse.urlencode(form, doseq=True)
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.node.http_port}{path}",
            data=None if body is None else body.encode(),
            headers={"Accept": accept} | dict(headers),
        )
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310  loopback
                return answer.status, answer.headers, answer.read().decode("latin-1")
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.headers, refusal.read().decode("latin-1")

    def page(self, path):
        status, _, said = self.ask(path)
        assert status == 200, said
        return said


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pacs = PACS()
    with pacs.listening():
        chosen = settings(
            folder,
            [
                destination("pacs", pacs.port),
                destination("away", free_port(), required=False, evidence=("pdf",)),
            ],
            http={"port": 0, "auth": {"api_keys": []}},
        )
        with scripted_node(chosen) as node:
            yield _worked(node, folder)


def _worked(node, folder):
    taken = {
        "PatientID": "PAGES1",
        "PatientName": NAME,
        "AccessionNumber": HOSTILE,
        "rows": 512,
        "columns": 448,
    }
    films = [
        synthetic_dataset(
            "CR", 1, StudyDate="20260101", AcquisitionDate="20260101", **taken
        ),
        synthetic_dataset(
            "CR", 2, StudyDate="20260201", AcquisitionDate="20260201", **taken
        ),
        synthetic_dataset("DX", 3, ViewPosition="LL", **taken),
    ]
    uids = [one.SOPInstanceUID for one in films]
    for one in films[:2]:
        send(node, save(one, folder))
        job = wait_for_state(node, one.SOPInstanceUID, "delivered")["workitem_uid"]
    send(node, save(films[2], folder))
    wait_for_state(node, uids[2], "not eligible")
    return Shown(node, *uids, job, folder)


def every_page(shown):
    return [
        *(address for _, address in NAVIGATION),
        "/?wall=1",
        f"/jobs/{shown.job}",
        f"/films/{shown.lateral}",
    ]


def test_every_page_is_whole_and_lets_nothing_in_from_elsewhere(shown):
    for path in every_page(shown):
        status, headers, said = shown.ask(path)
        assert status == 200, path
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert said.endswith("</html>") or said.rstrip().endswith("</html>")
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", said), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", said), path
        assert not re.search(r"\sstyle=|\son[a-z]+=", said), path


def test_today_counts_what_came_and_says_why_one_was_not_eligible(shown):
    said = shown.page("/")
    numbers = {
        name: int(number)
        for number, name in re.findall(
            r'<span class="number">(\d+)</span> <span class="name">([^<]+)<', said
        )
    }
    assert numbers["received"] == 3
    assert numbers["analysed and delivered"] == 2
    assert numbers["not eligible"] == 1
    assert "A lateral view" in said
    assert "half within" in said


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 3),
        ("patient_id=PAGES1", 3),
        ("patient_id=NOBODY", 0),
        ("state=delivered", 2),
        ("state=not+eligible", 1),
        ("reason=VIEW_LATERAL", 1),
        ("least=0.5&most=100", 2),
        ("order=severity", 2),
        ("since=2001-01-01&until=2001-01-02", 0),
        ("since=0001-01-01&until=9999-12-31", 3),
        ("least=&most=&since=&state=", 3),
        ("page=200", 0),
    ],
)
def test_the_worklist_lists_what_is_asked_for(shown, query, number):
    said = shown.page(f"/worklist?{query}")
    assert len(re.findall(r"<tr>\s*<td>", said)) == number
    assert len(said.encode()) < 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/worklist?page=0",
        "/worklist?page=x",
        "/worklist?least=101",
        "/worklist?least=nan",
        "/worklist?since=yesterday",
        "/worklist?state=lost",
        "/worklist?order=random",
        "/worklist?uid=1.2.x",
        "/worklist?colour=red",
        "/worklist?patient_id=" + "9" * 65,
        "/not-eligible?days=0",
        "/devices?days=1000",
        "/?wall=perhaps",
    ],
)
def test_a_parameter_that_cannot_be_is_named_on_a_page_and_to_programs(shown, path):
    name = re.split(r"[?=]", path)[1]
    status, headers, said = shown.ask(path)
    assert status == 422
    assert headers["Content-Type"].startswith("text/html")
    assert name in said
    assert "Traceback" not in said
    status, headers, said = shown.ask(path, accept="*/*")
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert name in json.loads(said)["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/jobs/1.2.3",
        "/films/1.2.3",
        "/films/1.2.3/film.png",
        "/jobs/1.2.3/lungs.svg",
        "/static/x/nothing.js",
    ],
)
def test_what_is_not_there_is_said_so(shown, path):
    status, headers, said = shown.ask(path)
    assert status == 404
    is_page = not path.startswith("/static/")
    assert ("That did not work" in said) == is_page
    if is_page:
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_programs_get_problem_details_even_when_they_take_pages(shown):
    status, headers, _ = shown.ask("/api/v1/jobs/1.2.3")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")


def test_a_job_shows_everything_that_is_known_of_it(shown):
    said = shown.page(f"/jobs/{shown.job}")
    assert "PAGES1" in said
    assert "Probability" not in said
    assert "right middle" in said or "right lower" in said
    assert "Since the film before" in said
    assert f"/films/{shown.first}/film.png" in said
    assert "Sent to pacs" in said
    assert "Attempt 1" in said
    assert said.count("/objects/") >= 4
    assert "away" in said


def test_a_film_is_a_picture_and_its_outlines_lie_on_the_same_grid(shown):
    status, headers, said = shown.ask(f"/films/{shown.follow_up}/film.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert said.startswith("\x89PNG")
    again, _, _ = shown.ask(
        f"/films/{shown.follow_up}/film.png",
        headers={"If-None-Match": headers["ETag"]},
    )
    assert again == 304
    for what, number in (("opacities", 1), ("lungs", 2)):
        status, headers, said = shown.ask(f"/jobs/{shown.job}/{what}.svg")
        assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
        assert said.count("<path ") == number
        assert 'viewBox="0 0 448 512"' in said


def test_result_objects_are_given_as_files(shown):
    said = shown.page(f"/jobs/{shown.job}")
    address = re.search(r'href="(/jobs/[^"]+/objects/[^"]+\.dcm)"', said).group(1)
    status, headers, content = shown.ask(address)
    assert (status, headers["Content-Type"]) == (200, "application/dicom")
    assert headers["Content-Disposition"].startswith("attachment")
    assert content[128:132] == "DICM"
    status, _, _ = shown.ask(f"/jobs/{shown.job}/objects/1.2.3.dcm")
    assert status == 404


def test_a_film_that_is_no_job_says_why_and_one_that_is_leads_to_it(shown):
    said = shown.page(f"/films/{shown.lateral}")
    assert "VIEW_LATERAL" in said
    assert "What to do" in said
    assert f"<code>{shown.job}</code>" in shown.page(f"/films/{shown.follow_up}")


def test_names_are_nowhere_unless_the_site_allows_them(shown):
    family = NAME.partition("^")[0]
    for path in every_page(shown):
        assert family not in shown.page(path)
    assert 'name="name"' not in shown.page("/worklist")


def test_what_is_done_to_jobs_is_asked_first_and_told_afterwards(shown):
    uids = [shown.job, "1.2.3"]
    form = {"action": "retry", "uid": uids, "back": "/worklist?page=2"}
    status, _, said = shown.ask("/worklist/actions", form=form)
    assert (status, "Are you sure?" in said) == (200, True)
    assert said.count('name="uid"') == 2
    status, _, said = shown.ask("/worklist/actions", form=form | {"confirmed": "true"})
    assert status == 200
    assert "0 of 2 jobs: done." in said
    assert "nothing of workitem" in said
    assert "no workitem 1.2.3" in said
    assert 'href="/worklist?page=2"' in said


@pytest.mark.parametrize(
    "back", ["//evil.example/", "https://evil.example", "/\\evil", "x"]
)
def test_nobody_is_led_to_another_site(shown, back):
    form = {"action": "retry", "uid": ["1.2.3"], "back": back, "confirmed": "true"}
    _, _, said = shown.ask("/worklist/actions", form=form)
    assert "evil" not in said
    assert 'href="/worklist"' in said


@pytest.mark.parametrize(
    "form",
    [
        {"action": "delete", "uid": ["1"]},
        {"action": "retry"},
        {"action": "retry", "uid": [str(number) for number in range(201)]},
    ],
)
def test_an_action_that_cannot_be_is_refused(shown, form):
    status, _, said = shown.ask("/worklist/actions", form=form)
    assert status == 422
    assert "That did not work" in said


def test_another_sites_form_is_refused(shown):
    form = {"action": "cancel", "uid": [shown.job], "confirmed": "true"}
    headers = {"Origin": "https://evil.example"}
    status, _, _ = shown.ask("/worklist/actions", form=form, headers=headers)
    assert status == 403


def test_a_destination_is_asked_whether_it_is_there(shown):
    assert "pacs answers." in shown.ask("/destinations/pacs/test", form={})[2]
    said = shown.ask("/destinations/away/test", form={})[2]
    assert "away does not answer" in said
    assert shown.ask("/destinations/nobody/test", form={})[0] == 404


def test_refusals_lead_to_their_films(shown):
    said = shown.page("/not-eligible")
    address = re.search(r'href="(/worklist\?reason=[^"]+)"', said).group(1)
    listed = shown.page(address.replace("&amp;", "&"))
    assert listed.count(f"/films/{shown.lateral}") == 1


def test_a_job_whose_record_is_damaged_is_shown_all_the_same(shown):
    with Damaged(shown) as damaged:
        said = damaged(f"/jobs/{shown.job}")
        assert "the record in the database is damaged" in said
        assert len(re.findall(r"<tr>\s*<td>", damaged("/worklist"))) == 3
        assert "received" in damaged("/")
        assert "Models" in damaged("/models")


class Damaged:
    """The record of the job damaged for the length of a block."""

    def __init__(self, shown):
        self._shown = shown
        self._database = Database(f"sqlite:///{shown.data_dir / 'node.db'}")

    def __enter__(self):
        with self._database.transaction() as tx:
            self._kept = tx.execute(
                text("SELECT result FROM workitem WHERE workitem_uid = :uid"),
                {"uid": self._shown.job},
            ).scalar_one()
        self._write('{"severity": "none"}')
        return self._shown.page

    def __exit__(self, *_):
        self._write(self._kept)
        self._database.close()

    def _write(self, result):
        with self._database.transaction() as tx:
            tx.execute(
                text("UPDATE workitem SET result = :result WHERE workitem_uid = :uid"),
                {"result": result, "uid": self._shown.job},
            )


def test_a_page_is_told_at_once_that_something_happened(shown):
    address = f"http://127.0.0.1:{shown.node.http_port}/live"
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.readline() == b"event: open\n"
        film = synthetic_dataset("CR", 9, rows=512, columns=448, PatientID="PAGES9")
        send(shown.node, save(film, shown.data_dir))
        for line in stream:
            if line == b"event: changed\n":
                break
    wait_for_state(shown.node, film.SOPInstanceUID, "delivered")


def test_a_node_stops_although_somebody_is_looking(tmp_path):
    with scripted_node(settings(tmp_path)) as node:
        address = f"http://127.0.0.1:{node.http_port}/live"
        stream = urllib.request.urlopen(address, timeout=PATIENCE_S)
        assert stream.readline() == b"event: open\n"
    with stream:
        stream.read()  # one that was cut, and did not end, would raise


def test_pages_can_be_switched_off(tmp_path):
    with scripted_node(settings(tmp_path, pages={"enabled": False})) as node:
        off = Shown(node, "", "", "", "", tmp_path)
        assert off.ask("/")[0] == 404
        assert off.ask("/health/ready")[0] == 200
