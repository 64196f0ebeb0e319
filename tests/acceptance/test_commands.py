"""The commands as users type them, in processes of their own, with the real model."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom import dcmread

from dicom_node.dataset.quiet import quiet
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    request,
    save,
    send,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "dicom_node"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "CXR_NODE_SECRETS_DIR": "/none"}

pytestmark = pytest.mark.slow


def run(*arguments, cwd):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def film(folder, seed=1, **overrides):
    dataset = synthetic_dataset("CR", seed, **overrides)
    return dataset, save(dataset, folder)


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", "--output", "demo-output", cwd=folder)


def test_the_demonstration_ends_with_the_promised_line(demonstrated):
    folder, result = demonstrated
    assert result.returncode == 0, result.stderr
    last = result.stdout.splitlines()[-1]
    found = re.fullmatch(
        r"demo: delivered SEG=(\S+) SR=(\S+) severity_total=(\d+\.\d)%", last
    )
    assert found
    seg, report = (dcmread(folder / found[number]) for number in (1, 2))
    assert (seg.Modality, report.Modality) == ("SEG", "SR")
    assert (seg.Rows, seg.Columns) == (1024, 1024)
    assert 0 < float(found[3]) <= 100


def test_the_demonstration_shows_numbers_and_a_picture(demonstrated):
    folder, result = demonstrated
    for word in ("Findings", "right", "left", "total", "GSPS", "Overlay"):
        assert word in result.stdout
    with Image.open(folder / "demo-output" / "overlay.png") as picture:
        assert min(picture.size) > 500


def test_the_demonstration_takes_a_users_own_film(tmp_path):
    dataset, path = film(tmp_path, seed=3)
    result = run("demo", "--image", path, "--output", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = re.search(r"SEG=(\S+) SR=\S+ severity_total", result.stdout)
    assert dcmread(tmp_path / found[1]).PatientID == dataset.PatientID


def test_the_demonstration_tells_why_a_users_film_is_unsuitable(tmp_path):
    _, path = film(tmp_path, ViewPosition="LL")
    result = run("demo", "--image", path, cwd=tmp_path)
    assert result.returncode == 1
    assert "VIEW_LATERAL" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyze")
    good, _ = film(folder, 1)
    lateral, _ = film(folder, 2, ViewPosition="LL")
    (folder / "broken.dcm").write_text("<html>")
    escape = pydicom.dcmread(folder / f"{lateral.SOPInstanceUID}.dcm")
    with quiet():
        escape.SOPInstanceUID = ".."
        escape.save_as(folder / "escape.dcm")
    (folder / "zz-again.dcm").write_bytes(
        (folder / f"{lateral.SOPInstanceUID}.dcm").read_bytes()
    )
    (folder / "notes.txt").write_text("not an image")
    return folder, good, lateral, run("analyze", ".", "--output", "out", cwd=folder)


def test_analyze_writes_the_results_of_each_image_into_its_folder(analyzed):
    folder, good, _, _ = analyzed
    out = folder / "out" / good.SOPInstanceUID
    assert {path.name for path in out.iterdir()} == {
        *(f"{kind}.dcm" for kind in EVIDENCE),
        "overlay.png",
        "result.json",
    }
    described = json.loads((out / "result.json").read_text())
    assert (described["state"], described["reason"]) == ("analyzed", None)
    assert {"total", "right", "left", "zones"} <= set(described["severity"])
    assert set(described["model"]) == {"name", "version", "sha256"}
    for finding in described["findings"]:
        assert len(finding["box"]) == 4


def test_analyze_says_what_became_of_the_others_and_exits_1(analyzed):
    folder, _, lateral, result = analyzed
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "1 analyzed, 1 failed, 3 not eligible"
    states = {
        path.parent.name: json.loads(path.read_text())
        for path in (folder / "out").glob("*/result.json")
    }
    assert states[lateral.SOPInstanceUID]["state"] == "not eligible"
    assert states[lateral.SOPInstanceUID]["reason"]["code"] == "VIEW_LATERAL"
    assert states["broken.dcm"]["state"] == "failed"
    assert states["escape.dcm"]["state"] == "not eligible"
    assert states[f"{lateral.SOPInstanceUID}-2"]["state"] == "not eligible"
    assert not (folder / "result.json").exists()


def test_analyze_exits_3_when_no_image_was_eligible(tmp_path):
    _, path = film(tmp_path, ViewPosition="LL")
    result = run("analyze", path, "--output", "out", cwd=tmp_path)
    assert result.returncode == 3


def write_config(folder, port=9, http_port=0, dimse_port=0):
    place = destination("pacs", port)
    (folder / "node.toml").write_text(
        f"""
        [node]
        data_dir = "data"
        minimum_free_bytes = 0
        stop_s = 300
        log_format = "json"
        [dimse]
        port = {dimse_port}
        [[dimse.peers]]
        ae_title = "MODALITY"
        [http]
        port = {http_port}
        [[destinations]]
        name = "pacs"
        ae_title = "PACS"
        host = "127.0.0.1"
        port = {place["port"]}
        """
    )
    return folder / "node.toml"


def _message(line):
    """What a line of the log says; libraries write there too, in their own words."""
    try:
        return json.loads(line)["message"]
    except ValueError:
        return ""


@contextmanager
def serving(config, role="all"):
    """``cxr-node serve``, ready; its DIMSE and HTTP ports, and the process."""
    path = config.parent / ("log" if role == "all" else f"log-{role}")
    with path.open("w+") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--config", str(config), "--role", role],
            cwd=config.parent,
            env=ENVIRONMENT,
            stderr=log,
        )
        try:
            ports = {}

            def is_ready():
                messages = [_message(line) for line in path.read_text().splitlines()]
                for message in messages:
                    found = re.fullmatch(r"Listening as (\S+) on \S+:(\d+)\.", message)
                    if found:
                        ports[found[1]] = int(found[2])
                return "The node is ready." in messages

            assert wait_until(is_ready, 600), path.read_text()
            yield ports.get("CXR_NODE"), ports.get("HTTP"), process
        finally:
            process.kill()
            process.wait()


def test_serve_takes_a_film_returns_results_and_exits_0_on_sigterm(tmp_path):
    dataset, path = film(tmp_path)
    pacs = PACS()
    with (
        pacs.listening() as port,
        serving(write_config(tmp_path, port)) as (dimse, http, process),
    ):
        assert request(http, "GET", "/health/ready")[0] == 200
        (stored,) = send(dimse, path)
        assert stored.status == 0x0000
        wait_for_state(http, dataset.SOPInstanceUID, "delivered")
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    assert len(pacs.held) == len(EVIDENCE)
    log = (tmp_path / "log").read_text()
    for private in (
        dataset.PatientID,
        str(dataset.PatientName),
        dataset.AccessionNumber,
    ):
        assert private not in log


def test_each_role_in_a_process_of_its_own_does_its_part(tmp_path):
    dataset, path = film(tmp_path)
    (tmp_path / "page.dcm").write_text("<html>")
    pacs = PACS()
    with pacs.listening() as port:
        config = write_config(tmp_path, port)
        with (
            serving(config, "receive") as (dimse, no_http, _),
            serving(config, "web") as (no_dimse, http, _),
            serving(config, "work") as (nothing, neither, _),
        ):
            assert (no_http, no_dimse, nothing, neither) == (None,) * 4
            modality = ("--calling-ae", "MODALITY", "--config", config)
            target = f"CXR_NODE@127.0.0.1:{dimse}"
            echoed = run("echo", target, *modality, cwd=tmp_path)
            assert (echoed.returncode, echoed.stdout) == (
                0,
                f"CXR_NODE at 127.0.0.1:{dimse} answers.\n",
            )
            sent = run(
                *("send", path, tmp_path / "page.dcm", "--to", target),
                *modality,
                cwd=tmp_path,
            )
            assert sent.returncode == 1
            assert sent.stdout.splitlines()[-1] == "1 stored, 1 not."
            wait_for_state(http, dataset.SOPInstanceUID, "delivered")
            listed = run("jobs", "list", "--json", "--config", config, cwd=tmp_path)
    (job,) = json.loads(listed.stdout)["items"]
    assert job["sop_instance_uid"] == dataset.SOPInstanceUID
    assert set(pacs.held) == {one["sop_instance_uid"] for one in job["evidence"]}


def test_a_sigterm_in_the_middle_of_the_work_loses_nothing(tmp_path):
    films = [film(tmp_path, seed) for seed in range(3)]
    pacs = PACS()
    with pacs.listening() as port:
        config = write_config(tmp_path, port)
        with serving(config) as (dimse, _, process):
            send(dimse, *(path for _, path in films))
            process.send_signal(signal.SIGTERM)
            assert process.wait(600) == 0
        with serving(config) as (_, http, _):
            for dataset, _ in films:
                wait_for_state(http, dataset.SOPInstanceUID, "delivered")
    assert len(pacs.held) == len(films) * len(EVIDENCE)


def test_the_doctor_finds_everything_in_order(tmp_path, free_port):
    pacs = PACS()
    with pacs.listening() as port:
        config = write_config(tmp_path, port, dimse_port=free_port)
        result = run("doctor", "--config", config, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    for name in ("configuration", "disk", "database", "destination pacs", "model"):
        assert re.search(rf"^{name} +ok ", result.stdout, re.MULTILINE)
    assert re.search(r"^golden image +ok +analysed on CPU", result.stdout, re.MULTILINE)


def test_the_doctor_names_what_is_broken_and_exits_1(tmp_path, free_port):
    config = write_config(tmp_path, free_port)
    config.write_text(config.read_text() + '\n[model]\nname = "absent"\n')
    result = run("doctor", "--config", config, cwd=tmp_path)
    assert result.returncode == 1
    assert re.search(r"^destination pacs +FAILED", result.stdout, re.MULTILINE)
    assert "no model named 'absent'" in result.stdout
    assert "Traceback" not in result.stderr
