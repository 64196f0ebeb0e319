"""The HTTP interface against its own description, with a key and without one."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings

from dicom_node.web.auth.principal import AccessRole
from tests.fuzz.findings import watching
from tests.fuzz.web import KEY, live_servers

# The generator of examples is the library's; so is what it does inside.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
_FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_FEWEST = settings(_FEW, max_examples=2)
# Which cursors and UIDs exist, no description can say.
_UNKNOWABLE = [schemathesis.checks.positive_data_acceptance]
_KEYED = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    # Two places: the first user or key of one would close its open server.
    with (
        live_servers(folder / "open") as (node, _, _uid),
        live_servers(folder / "closed") as (_, guarded, _other),
        watching() as watch,
    ):
        yield node.http_port, guarded.http_port
        watch.raise_what_was_told()


def operations(port, headers):
    address = f"http://127.0.0.1:{port}/api/v1/openapi.json"
    schema = schemathesis.openapi.from_url(address, headers=headers)
    return [one.ok() for one in schema.get_all_operations()]


@pytest.mark.slow
def test_every_operation_answers_as_it_is_described(live):
    for port, headers in zip(live, ({}, _KEYED), strict=True):
        for operation in operations(port, headers):
            if headers or not _closes_the_node(operation):
                assert_as_described(operation, f"http://127.0.0.1:{port}", headers)


def _closes_the_node(operation):
    access = ("/api/v1/users", "/api/v1/keys")
    return operation.method == "post" and operation.path in access


def assert_as_described(operation, address, headers, examples=_FEW):
    @examples
    @given(case=operation.as_strategy())
    def check(case):
        case.call_and_validate(
            base_url=address, headers=headers, excluded_checks=_UNKNOWABLE
        )

    check()


@pytest.mark.slow
@pytest.mark.parametrize("role", list(AccessRole), ids=lambda role: role.word)
def test_a_key_of_a_role_is_answered_as_it_is_described(live, role):
    _, port = live
    admin = _KEYED | {"Content-Type": "application/json"}
    named = {"name": role.word, "role": role.word}
    address = f"http://127.0.0.1:{port}"
    made = requests.post(
        f"{address}/api/v1/keys", json=named, headers=admin, timeout=180
    )
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    for operation in operations(port, headers):
        if _may_take_the_key_away(operation):
            continue
        assert_as_described(operation, address, headers, _FEWEST)


def _may_take_the_key_away(operation):
    return operation.path.startswith("/api/v1/keys/")


@pytest.mark.slow
def test_without_a_key_nothing_but_health_is_told(live):
    _, port = live
    for operation in operations(port, _KEYED):
        assert_closed(operation, f"http://127.0.0.1:{port}")


def assert_closed(operation, address):
    is_open = operation.path.startswith("/health/")

    @_FEW
    @given(case=operation.as_strategy())
    def check(case):
        status = case.call(base_url=address).status_code
        assert (status != requests.codes.unauthorized) == is_open

    check()
