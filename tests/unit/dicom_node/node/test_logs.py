import io
import json
import logging

import pytest

from dicom_node.node import logs

PATIENT = "Doe^Jane"


@pytest.fixture
def log():
    """A logger of our own, and what it wrote."""
    stream = io.StringIO()

    def configured(level="INFO", style="text"):
        logs.configure(level, style, stream)
        return logging.getLogger("dicom_node.test")

    return configured, stream


def test_a_line_is_a_sentence_and_what_it_is_about(log):
    configured, stream = log
    configured().info("An image came.", extra={"action": "receive", "workitem": "1.2"})
    line = stream.getvalue()
    assert line.endswith(" INFO An image came. action=receive workitem=1.2\n")
    assert line[10] == "T"


def test_json_is_one_object_on_a_line(log):
    configured, stream = log
    logger = configured(style="json")
    logger.warning("Umlauts: %s.", "äöü", extra={"destination": "pacs"})
    record = json.loads(stream.getvalue())
    assert record["message"] == "Umlauts: äöü."
    assert (record["level"], record["destination"]) == ("WARNING", "pacs")
    assert record["time"].endswith("Z")


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_shows_where_but_not_the_values(log, style):
    configured, stream = log
    logger = configured(style=style)
    # The source line, which is shown, does not hold the name.
    patient = PATIENT
    try:
        try:
            {}[patient]
        except KeyError as error:
            raise ValueError(patient) from error
    except ValueError:
        logger.exception("A batch failed.", extra={"action": "work"})
    text = stream.getvalue()
    assert "ValueError" in text
    assert "KeyError" in text
    assert "test_logs.py" in text
    assert patient not in text


def test_libraries_that_print_data_sets_are_kept_quiet(log):
    configured, stream = log
    configured("DEBUG")
    logging.getLogger("pydicom").warning("Invalid value: Doe^Jane")
    logging.getLogger("pynetdicom.events").error("(0010,0010) PN [Doe^Jane]")
    assert stream.getvalue() == ""


def test_the_level_is_kept(log):
    configured, stream = log
    configured("WARNING").info("Quiet.")
    assert stream.getvalue() == ""


FORGERIES = [
    "1.2\n2026-01-01T00:00:00.000Z ERROR forged",
    "1.2\r\nforged",
    "1.2\x0bforged\x0cforged\x85forged\u2028forged\u2029forged",
    "1.2\x1b[2J\x1b[A",
    "1.2\u202eforged",
    "1.2\x00\x7f\x9b",
    "1.2\ud800",
]


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("said", FORGERIES)
def test_what_peers_say_stays_within_its_line(log, style, said):
    configured, stream = log
    logger = configured(style=style)
    logger.warning("Refused %s.", said, extra={"instance": said, "peer": said})
    written = stream.getvalue()
    assert written.endswith("\n")
    assert len(written.splitlines()) == 1
    shown = json.loads(written)["message"] if style == "json" else written[:-1]
    assert shown.isprintable()
    shown.encode()


def test_a_field_forges_no_other(log):
    configured, stream = log
    configured().warning("x", extra={"instance": "1.2 workitem=3"})
    assert stream.getvalue().endswith("x instance=1.2\\x20workitem=3\n")
