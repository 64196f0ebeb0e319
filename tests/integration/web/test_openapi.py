"""The published description of the HTTP interface is that of the code."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from dicom_node.node.wiring.parts import open_parts
from dicom_node.node.wiring.web import make_server
from tests.factories.nodes import settings

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
"""Written anew by: curl http://127.0.0.1:8042/api/v1/openapi.json | jq . > it."""


def described(folder):
    """What a node with every face tells of itself."""
    conf = settings(folder)
    parts = open_parts(conf)
    with closing(parts.database):
        return make_server(conf, parts, dict).app.openapi()


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return described(tmp_path_factory.mktemp("openapi"))


def test_the_published_description_is_that_of_the_code(document):
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(document)), PUBLISHED.name


def test_every_operation_says_what_it_does_and_how_it_may_be_refused(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (path, method)
            if path.startswith("/api/"):
                refusals = {"401", "403", "404", "422"}
                assert refusals <= operation["responses"].keys(), (path, method)
