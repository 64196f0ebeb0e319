"""Signing in by OpenID Connect, against a provider of another code base."""

import json
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import pytest
from oidc_provider_mock import User, run_server_in_thread

from dicom_node.node.roles import Role
from tests.factories.nodes import scripted_node, settings
from tests.integration.web.test_access import FORM, ask, cookie_of

# What the provider's own libraries say of each other.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def people():
    def claims(*groups):
        return {"preferred_username": "ann", "groups": list(groups)}

    return [
        User(sub="reader", claims=claims("radiology")),
        User(sub="both", claims=claims("radiology", "pacs-team")),
        User(sub="stranger", claims=claims("kitchen")),
    ]


@pytest.fixture(scope="module")
def provider():
    with run_server_in_thread(user_claims=people()) as server:
        yield server.server_port


@contextmanager
def node_with(folder, issuer, **changes):
    oidc = {
        "issuer": issuer,
        "client_id": "cxr",
        "client_secret": "s" * 40,
        "roles": {"radiology": "viewer", "pacs-team": "admin"},
    } | changes
    conf = settings(folder, http={"port": 0, "auth": {"oidc": oidc}})
    with scripted_node(conf, Role.WEB) as node:
        yield node.http_port


@pytest.fixture(scope="module")
def port(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oidc")
    with node_with(folder, f"http://localhost:{provider}") as port:
        yield port


def begun(port, wanted="/"):
    """Begin: where the browser is sent, and the cookie that it holds."""
    path = "/login/oidc?" + urlencode({"next": wanted})
    status, headers, _ = ask(port, "GET", path)
    assert status == 303
    return headers["Location"], cookie_of(headers)


def answered(provider, place, sub):
    """Say at the provider who somebody is; the path on the node to come back to."""
    parts = urlsplit(place)
    form = urlencode({"sub": sub})
    status, headers, _ = ask(
        provider, "POST", f"{parts.path}?{parts.query}", FORM, form
    )
    assert status == 302
    back = urlsplit(headers["Location"])
    return f"{back.path}?{back.query}"


@pytest.mark.parametrize(("sub", "role"), [("reader", "viewer"), ("both", "admin")])
def test_groups_become_a_role(port, provider, sub, role):
    place, flow = begun(port, "/api/v1/jobs")
    assert "code_challenge_method=S256" in place
    status, headers, _ = ask(port, "GET", answered(provider, place, sub), flow)
    assert (status, headers["Location"]) == (303, "/api/v1/jobs")
    _, _, text = ask(port, "GET", "/api/v1/me", cookie_of(headers))
    assert json.loads(text) == {"name": "ann", "role": role, "kind": "oidc"}


def test_who_has_no_role_is_not_let_in(port, provider):
    place, flow = begun(port)
    status, headers, text = ask(
        port, "GET", answered(provider, place, "stranger"), flow
    )
    assert (status, headers["Set-Cookie"]) == (403, None)
    assert "none of your groups" in text


def test_an_answer_counts_in_the_browser_that_asked(port, provider):
    place, _ = begun(port)
    back = answered(provider, place, "both")
    _, others = begun(port)
    assert ask(port, "GET", back, others)[0] == 401
    assert ask(port, "GET", back)[0] == 401
    assert ask(port, "GET", back, {"Cookie": "cxr_oidc=%%%"})[0] == 401


def test_a_code_counts_once(port, provider):
    place, flow = begun(port)
    back = answered(provider, place, "reader")
    assert ask(port, "GET", back, flow)[0] == 303
    assert ask(port, "GET", back, flow)[0] == 401


def test_a_token_for_another_is_not_taken(provider, tmp_path, port):
    issuer = f"http://localhost:{provider}"
    with node_with(tmp_path, issuer, client_id="another") as elsewhere:
        place, _ = begun(elsewhere)
        back = answered(provider, place, "both")
    _, flow = begun(port)
    assert ask(port, "GET", back, flow)[0] == 401


def test_the_form_offers_the_provider_and_nobody_gets_in_without(port):
    assert "/login/oidc?next=" in ask(port, "GET", "/login")[2]
    assert ask(port, "GET", "/api/v1/jobs")[0] == 401


def test_a_provider_that_is_away_is_told(tmp_path):
    with node_with(tmp_path, "http://localhost:9") as port:
        status, _, text = ask(port, "GET", "/login/oidc")
    assert status == 502
    assert "cannot be reached" in text
