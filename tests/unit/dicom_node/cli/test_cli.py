"""The command line, in this process: what it says and how it exits."""

import hashlib
import json
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from dicom_node.cli import MODULES, _one_line, cli
from dicom_node.cli.learning.training import ExtraMissing, extra, read_frame
from dicom_node.cli.models import with_model
from dicom_node.cli.terminal import options
from inference.errors import TrainingError
from inference.manifest import read_manifest, write_manifest
from inference.models import BUILTIN_MODELS
from storage.database import Database
from storage.records import ModelName
from tests.factories.nodes import save
from tests.factories.radiographs import synthetic_dataset
from tests.factories.results import a_row
from tests.factories.rows import after, claim, receive, settle
from tests.fakes.runner import scripted_manifest

PUBLISHED = (
    "serve",
    "doctor",
    "analyze",
    "jobs",
    "instances",
    "recall",
    "send",
    "echo",
    "migrate",
    "model",
    "train",
    "evaluate",
    "export",
    "conformance",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(cli, arguments, prog_name="cxr-node")


@pytest.fixture
def config(tmp_path):
    """A configuration, and a database with two jobs, one of them claimed."""
    file = tmp_path / "node.toml"
    file.write_text(f'[node]\ndata_dir = "{tmp_path / "data"}"\n')
    database = Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")
    database.migrate()
    receive(database, 1, 2)
    claim(database)
    database.close()
    return str(file)


def test_every_published_command_is_there():
    assert set(PUBLISHED) <= set(MODULES)
    listed = run("--help").stdout
    for name in PUBLISHED:
        assert f"  {name} " in listed


@pytest.mark.parametrize("name", MODULES)
def test_every_command_explains_itself(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: cxr-node {name}" in result.stdout
    module = import_module(f"dicom_node.cli.{MODULES[name][0]}")
    command = getattr(module, name.replace("-", "_"))
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.is_flag:
            assert parameter.opts[0] in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("jobs", "nonsense"),
        ("jobs", "list", "--state", "LOST"),
        ("jobs", "list", "--since", "yesterday"),
        ("jobs", "reprocess"),
        ("jobs", "reprocess", "1.2.3", "--model", "default@1"),
        ("jobs", "reprocess", "--model", "default"),
        ("recall",),
        ("recall", "--model", "@1"),
        ("recall", "--model", "default@1", "--reason", "mood"),
        ("serve", "--role", "nothing"),
        ("send",),
        ("echo", "not-a-target"),
        ("analyze", "absent.dcm", "--output", "out"),
        ("serve", "--config", "absent.toml"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_why_on_standard_error(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_configuration_is_one_line_with_the_keys_path(tmp_path):
    (tmp_path / "node.toml").write_text("[dimse]\nprot = 1\n")
    result = run("serve", "--config", "node.toml")
    assert result.exit_code == 2
    assert result.stderr == (
        "cxr-node: node.toml: dimse.prot: unknown key; did you mean 'port'?\n"
    )


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ('[database]\nurl = "mysql://here/db"\n', "database", "postgresql+psycopg://"),
        ('[database]\nurl = "node.db"\n', "database", "sqlite:///"),
        (
            '[http.auth]\napi_keys = ["sch\u00fcssel-mit-umlaut"]\n',
            "http.auth",
            "ASCII",
        ),
    ],
)
def test_what_could_never_work_is_refused_in_one_line(tmp_path, table, key, words):
    (tmp_path / "node.toml").write_text(table)
    result = run("serve", "--config", "node.toml")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"cxr-node: node.toml: {key}: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_jobs_are_listed_as_a_table(config):
    result = run("jobs", "list", "--config", config)
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["JOB", "STATE", "STAGE", "SCHEDULED", "SEVERITY", "REASON"]
    assert {row.split()[0] for row in rows} == {"1.9.1", "1.9.2"}


def test_jobs_are_listed_as_the_json_of_the_http_interface(config):
    result = run("jobs", "list", "--json", "--limit", "1", "--config", config)
    listed = json.loads(result.stdout)
    assert set(listed) == {"items", "next"}
    assert len(listed["items"]) == 1
    again = run("jobs", "list", "--cursor", listed["next"], "--config", config)
    assert len(again.stdout.splitlines()) == 2


def test_jobs_are_filtered(config):
    result = run("jobs", "list", "--state", "IN PROGRESS", "--json", "--config", config)
    assert len(json.loads(result.stdout)["items"]) == 1
    result = run("jobs", "list", "--since", "2100-01-01", "--json", "--config", config)
    assert json.loads(result.stdout)["items"] == []


@pytest.mark.parametrize("uid", ["1.9.2", "1.2.3.2"])
def test_a_job_is_shown_by_its_own_uid_or_its_images(config, uid):
    result = run("jobs", "show", uid, "--json", "--config", config)
    assert json.loads(result.stdout)["workitem_uid"] == "1.9.2"
    assert "workitem_uid: 1.9.2" in run("jobs", "show", uid, "--config", config).stdout


def test_a_job_is_canceled_and_retried(config):
    assert run("jobs", "cancel", "1.9.2", "--config", config).exit_code == 0
    shown = run("jobs", "show", "1.9.2", "--json", "--config", config)
    assert json.loads(shown.stdout)["state"] == "CANCELED"
    again = run("jobs", "retry", "1.9.2", "--config", config).stdout.strip()
    shown = run("jobs", "show", again, "--json", "--config", config)
    assert json.loads(shown.stdout)["state"] == "SCHEDULED"


def analysed(tmp_path):
    """Two analysed films, one by each version of a model; nobody got anything."""
    database = Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")
    receive(database, 3, 4)
    for version in ("1", "2"):
        (step,) = claim(database, now=after(2000))
        model = {"name": "m", "version": version, "sha256": "0" * 64}
        result = a_row() | {"model": model}
        settle(database, step, result=result, model=ModelName(**model))
    database.close()


def test_a_job_is_reprocessed(config, tmp_path):
    assert run("jobs", "reprocess", "1.9.2", "--config", config).exit_code == 1
    analysed(tmp_path)
    done = run("jobs", "list", "--state", "COMPLETED", "--json", "--config", config)
    (first, second) = sorted(
        item["workitem_uid"] for item in json.loads(done.stdout)["items"]
    )
    again = run("jobs", "reprocess", first, second, "--config", config)
    new = again.stdout.split()
    shown = run("jobs", "show", new[0], "--json", "--config", config)
    assert json.loads(shown.stdout)["state"] == "SCHEDULED"
    shown = run("jobs", "show", first, "--json", "--config", config)
    assert json.loads(shown.stdout)["replaced_by"] == new[0]
    refused = run("jobs", "reprocess", first, new[1], "--config", config)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert [line[:9] for line in refused.stderr.splitlines()] == ["cxr-node:"] * 2


def test_the_jobs_of_a_model_are_reprocessed_behind_new_ones(config, tmp_path):
    analysed(tmp_path)
    bulk = ("jobs", "reprocess", "--model", "m@2", "--config", config)
    (listed,) = run(*bulk, "--dry-run").stdout.split()
    (again,) = run(*bulk).stdout.split()
    shown = json.loads(run("jobs", "show", again, "--json", "--config", config).stdout)
    assert (shown["state"], shown["priority"]) == ("SCHEDULED", -1)
    shown = json.loads(run("jobs", "show", listed, "--json", "--config", config).stdout)
    assert shown["replaced_by"] == again
    assert run(*bulk).stdout == ""


def test_the_results_of_a_model_are_called_back(config, tmp_path):
    analysed(tmp_path)
    command = ("recall", "--model", "m@1", "--reason", "safety", "--config", config)
    assert "would be recalled" in run(*command, "--dry-run").stdout
    result = run(*command, "--yes", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (study,) = json.loads(result.stdout)["items"]
    (uid,) = study["workitem_uids"]
    shown = json.loads(run("jobs", "show", uid, "--json", "--config", config).stdout)
    assert shown["recalled"]["reason"] == "safety"
    assert "nobody had received anything" in run(*command, "--yes").stdout


def test_nothing_is_called_back_without_a_yes(config, tmp_path, monkeypatch):
    analysed(tmp_path)
    command = ("recall", "--model", "m@1", "--config", config)
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    monkeypatch.setattr("dicom_node.cli.recall.at_terminal", lambda: True)
    no = CliRunner().invoke(cli, command, input="n\n")
    assert no.exit_code == 1
    assert "0 objects of m@1 in 1 studies" in no.stderr
    listed = run("jobs", "list", "--json", "--config", config).stdout
    assert all(item["recalled"] is None for item in json.loads(listed)["items"])
    assert CliRunner().invoke(cli, command, input="y\n").exit_code == 0
    listed = run("jobs", "list", "--json", "--config", config).stdout
    assert sum(item["recalled"] is not None for item in json.loads(listed)["items"])


def test_a_model_without_results_cannot_be_called_back(config):
    result = run("recall", "--model", "m@7", "--config", config)
    assert result.exit_code == 1
    assert result.stderr == "cxr-node: there are no results of model m@7\n"


@pytest.mark.parametrize("verb", ["show", "retry", "reprocess", "cancel"])
def test_an_unknown_job_is_one_line_and_exit_1(config, verb):
    result = run("jobs", verb, "1.2.3.4.5", "--config", config)
    assert result.exit_code == 1
    assert result.stderr.startswith("cxr-node: no job ")
    assert "1.2.3.4.5" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_database_jobs_says_so_and_makes_none(tmp_path):
    result = run("jobs", "list")
    assert result.exit_code == 1
    assert "no database" in result.stderr
    assert not (tmp_path / "var").exists()


def test_migrate_makes_the_schema_that_jobs_needs(tmp_path):
    (tmp_path / "node.toml").write_text('[database]\nurl = "sqlite:///new.db"\n')
    assert run("migrate", "--config", "node.toml").exit_code == 0
    assert run("jobs", "list", "--config", "node.toml").exit_code == 0


def test_nobody_at_the_other_end_is_one_line_and_exit_1(free_port):
    result = run("echo", f"PACS@127.0.0.1:{free_port}")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        f"cxr-node: no association with PACS at 127.0.0.1:{free_port}: "
    )
    assert "refused the connection" in line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("jbos", "list"), "jobs"),
        (("instnaces",), "instances"),
        (("jobs", "lits"), "list"),
        (("model", "verfy"), "verify"),
    ],
)
def test_what_an_unknown_command_may_mean_is_said(typed, meant):
    result = run(*typed)
    assert result.exit_code == 2
    assert f"id you mean '{meant}'" in result.stderr


def test_the_configuration_is_named_or_of_the_environment_or_of_the_machine(
    monkeypatch, tmp_path
):
    for name in ("named", "environment", "machine"):
        (tmp_path / f"{name}.toml").write_text(f'[model]\nname = "{name}"\n')
    seen = []

    def model_in_use(*arguments):
        result = run("model", "list", *arguments)
        assert result.exit_code == 0
        seen.append(run("doctor", *arguments).stdout.splitlines()[0].split()[-1])

    monkeypatch.setattr(options, "SITE_CONFIG", tmp_path / "machine.toml")
    model_in_use()
    monkeypatch.setenv("CXR_NODE_CONFIG", "environment.toml")
    model_in_use()
    model_in_use("--config", "named.toml")
    assert [Path(one).name for one in seen] == [
        "machine.toml",
        "environment.toml",
        "named.toml",
    ]


def test_a_bug_is_one_line_without_values(capsys):
    try:
        {}["Doe^Jane"]
    except KeyError as error:
        _one_line(KeyError, error, error.__traceback__)
    written = capsys.readouterr().err
    assert written.startswith("cxr-node: internal error: KeyError at ")
    assert "test_cli.py" in written
    assert "Doe" not in written


@pytest.fixture
def models(tmp_path):
    """Two model folders, the second with another file than its manifest means."""
    for name, content in (("good", b"weights"), ("bad", b"other weights")):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(content)
        sha256 = hashlib.sha256(b"weights").hexdigest()
        write_manifest(folder, scripted_manifest(name=name, sha256=sha256))
    file = tmp_path / "node.toml"
    file.write_text('[model]\nname = "bad"  # a comment\nfolder = "models"\n')
    return file


def test_models_are_listed_and_the_one_in_use_is_starred(models):
    listed = run("model", "list", "--config", str(models)).stdout.splitlines()
    starred = [line.split()[1] for line in listed if line.startswith("*")]
    assert starred == ["bad"]
    assert any(line.split()[0] == "good" for line in listed)


def test_a_broken_manifest_hides_no_other_model(models, tmp_path):
    (tmp_path / "models" / "bad" / "manifest.toml").write_text("name = 1")
    result = run("model", "list", "--config", str(models))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("! bad  cannot be used: ") for line in lines)
    assert any(line.split()[0] == "good" for line in lines)


def test_a_model_that_is_not_what_its_manifest_says_fails_the_check(models):
    assert run("model", "verify", "good", "--config", str(models)).exit_code == 0
    result = run("model", "verify", "good", "bad", "--config", str(models))
    assert result.exit_code == 1
    assert "SHA-256" in result.stdout


def test_a_model_is_put_to_use_in_the_configuration(models):
    assert run("model", "use", "default", "--config", str(models)).exit_code == 0
    assert models.read_text() == (
        '[model]\nname = "default"  # a comment\nfolder = "models"\n'
    )


def test_a_model_that_refuses_drawn_films_is_not_put_to_use(models, tmp_path):
    strict = tmp_path / "models" / "strict"
    shutil.copytree(BUILTIN_MODELS / "default", strict)
    shipped = read_manifest(strict)
    thresholds = replace(shipped.thresholds, frontal=1.0)
    write_manifest(strict, replace(shipped, name="strict", thresholds=thresholds))
    before = models.read_text()
    result = run("model", "use", "strict", "--config", str(models))
    assert result.exit_code == 1
    assert "refuses drawn radiograph 0" in result.stderr
    assert models.read_text() == before


@pytest.mark.parametrize("name", ["good", "bad", "absent"])
def test_a_model_that_cannot_run_is_not_put_to_use(models, name):
    before = models.read_text()
    assert run("model", "use", name, "--config", str(models)).exit_code == 1
    assert models.read_text() == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '\n\n[model]\nname = "new"\n'),
        ("[model]\n", '[model]\nname = "new"\n'),
        (
            "[model]\nname = 'old'\n[http]\nport = 1\n",
            '[model]\nname = "new"\n[http]\nport = 1\n',
        ),
        ('[model]\ndevice = "cpu"\n', '[model]\nname = "new"\ndevice = "cpu"\n'),
    ],
)
def test_only_the_models_name_changes_in_the_file(before, after):
    assert with_model(before, "new") == after


def test_model_building_without_its_extra_says_what_to_install():
    wanted = r"torch is missing.*cxr-node\[training\]"
    with pytest.raises(ExtraMissing, match=wanted), extra():
        raise ModuleNotFoundError(name="torch")


def test_training_reads_dicom_as_serving_does_and_pictures_too(tmp_path):
    dataset = synthetic_dataset("CR", rows=64, columns=48)
    frame = read_frame(save(dataset, tmp_path))
    assert frame.pixels.shape == (64, 48)
    picture = tmp_path / "film.png"
    Image.fromarray((frame.pixels * 255).astype("uint8")).save(picture)
    assert read_frame(picture).pixels.shape == (64, 48)


def test_a_film_that_training_cannot_read_is_named(tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_text("<html>")
    with pytest.raises(TrainingError, match=r"broken\.dcm: not a DICOM file"):
        read_frame(broken)
