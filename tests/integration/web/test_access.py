"""Who may use the HTTP interface: over a real socket, with a real database."""

import http.client
import json
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from fastapi.routing import iter_route_contexts

from dicom_node.errors import SettingsInvalid
from dicom_node.injected import clock
from dicom_node.node.roles import Role
from dicom_node.node.wiring.parts import open_parts
from dicom_node.node.wiring.storage import ready_database
from dicom_node.node.wiring.web import make_server
from dicom_node.web.auth import passwords, tokens
from dicom_node.web.auth.permissions import Openness, needed
from dicom_node.web.auth.principal import AccessRole
from storage.access import api_keys, sessions
from storage.access import users as accounts
from tests.factories.nodes import scripted_node, settings

PASSWORD = "correct horse battery"  # noqa: S105  it opens nothing
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing is let in there
READING = ("GET", "HEAD")


def add_user(database, name, role="viewer", password=PASSWORD):
    now = clock()
    user = accounts.UserAccount(name, passwords.hashed(password), role, now, now)
    with database.transaction() as tx:
        accounts.add(tx, user)


def add_key(database, name, role, expires_at=None):
    secret = tokens.new_key()
    key = api_keys.ApiKey(name, tokens.digest(secret), role, clock(), expires_at)
    with database.transaction() as tx:
        api_keys.add(tx, key)
    return {"Authorization": f"Bearer {secret}"}


def ask(port, method, path, headers=None, body=None):
    """One request, redirects shown: status, headers, text."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=180)) as line:
        line.request(method, path, body=body, headers=headers or {})
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def sign_in(port, name, password=PASSWORD, wanted="/", **headers):
    form = urlencode({"name": name, "password": password, "next": wanted})
    return ask(port, "POST", "/login", FORM | headers, form)


def cookie_of(headers):
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A node with three users, a key for each role, and its database."""
    auth = {"login_tries": 3, "login_tries_per_address": 1000}
    conf = settings(tmp_path_factory.mktemp("node"), http={"port": 0, "auth": auth})
    with scripted_node(conf, Role.WEB) as node, closing(ready_database(conf)) as db:
        keys = {}
        for role in AccessRole:
            add_user(db, role.word, role.word)
            keys[role] = add_key(db, role.word, role.word)
        yield node.http_port, db, keys


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """Every route of the running application: path, and its methods."""
    conf = settings(tmp_path_factory.mktemp("routes"))
    parts = open_parts(conf)
    app = make_server(conf, parts, dict).app
    parts.database.close()
    return [
        (route.path, method)
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or {"GET"})
    ]


def filled(path):
    """A path with something in the place of each of its names."""
    parts = path.replace(":path", "").split("/")
    return "/".join("1" if part.startswith("{") else part for part in parts)


OPEN = {
    "/health/live": READING,
    "/health/ready": READING,
    "/login": ("GET", "POST"),
    "/logout": ("POST",),
}
ADMINS = (
    "/api/v1/users",
    "/api/v1/sessions",
    "/api/v1/keys",
    "/settings",
    "/users",
    "/keys",
    "/audit",
)


def test_every_route_has_the_role_that_its_kind_says(routes):
    assert len(routes) > 40
    for path, method in routes:
        need = needed(method, filled(path))
        if path.startswith("/static"):
            assert need is Openness.ANYONE or method not in READING
        elif method in OPEN.get(path, ()):
            assert need is Openness.ANYONE, path
        elif path.startswith((*ADMINS, *OPEN)):
            assert need is AccessRole.ADMIN, path
        elif path.startswith("/dicom-web/subscribers"):
            assert need is AccessRole.OPERATOR, path
        else:
            least = AccessRole.VIEWER if method in READING else AccessRole.OPERATOR
            assert need is least, (path, method)


def test_without_a_key_nothing_is_told_but_what_is_open(place, routes):
    port, _, _ = place
    for path, method in routes:
        if needed(method, filled(path)) is not Openness.ANYONE:
            assert ask(port, method, filled(path))[0] == 401, (path, method)


WITHOUT_END = ("/dicom-web/subscribers", "/live")
"""What is listened to until somebody leaves."""


def test_a_role_may_what_it_may_and_no_more(place, routes):
    port, _, keys = place
    for path, method in routes:
        need = needed(method, filled(path))
        if need is Openness.ANYONE or path.startswith(WITHOUT_END):
            continue
        for role in AccessRole:
            status, _, _ = ask(port, method, filled(path), keys[role])
            assert (status == 403) == (role < need), (path, method, role)
            assert status != 401


def test_what_is_in_no_row_is_not_to_be_had(place):
    port, _, keys = place
    assert ask(port, "GET", "/openapi.json", keys[AccessRole.ADMIN])[0] == 404
    assert ask(port, "GET", "//api/v1/users", keys[AccessRole.VIEWER])[0] == 404


def test_a_key_whose_time_is_over_is_no_key(place):
    port, db, _ = place
    over = add_key(db, "over", "admin", clock() - timedelta(seconds=1))
    assert ask(port, "GET", "/api/v1/jobs", over)[0] == 401


def test_a_key_is_good_until_it_is_revoked(place):
    port, db, _ = place
    key = add_key(db, "for-a-while", "viewer", clock() + timedelta(days=1))
    assert ask(port, "GET", "/api/v1/jobs", key)[0] == 200
    with db.transaction() as tx:
        api_keys.revoke(tx, "for-a-while")
    assert ask(port, "GET", "/api/v1/jobs", key)[0] == 401


def test_people_are_led_to_the_form_and_programs_are_told(place):
    port, _, _ = place
    status, headers, _ = ask(port, "GET", "/jobs?x=1&y=2", {"Accept": "text/html"})
    assert (status, headers["Location"]) == (303, "/login?next=%2Fjobs%3Fx%3D1%26y%3D2")
    status, headers, text = ask(port, "GET", "/jobs")
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert json.loads(text)["status"] == 401


def test_who_signs_in_is_known_until_signing_out(place):
    port, _, _ = place
    status, headers, _ = sign_in(port, "operator", wanted="/api/v1/jobs?limit=5")
    assert (status, headers["Location"]) == (303, "/api/v1/jobs?limit=5")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith("cxr_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    known = cookie_of(headers)
    _, _, text = ask(port, "GET", "/api/v1/me", known)
    assert json.loads(text) == {"name": "operator", "role": "operator", "kind": "user"}
    same = known | {"Sec-Fetch-Site": "same-origin"}
    assert ask(port, "POST", "/logout", same)[0] == 303
    assert ask(port, "GET", "/api/v1/me", known)[0] == 401


def test_the_cookie_of_https_belongs_to_this_host_alone(place):
    port, _, _ = place
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    _, headers, _ = sign_in(port, "viewer", **said)
    cookie = headers["Set-Cookie"]
    assert cookie.startswith("__Host-cxr_session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ask(port, "GET", "/api/v1/me", cookie_of(headers) | said)[0] == 200
    assert ask(port, "GET", "/api/v1/me", cookie_of(headers))[0] == 401


def test_a_password_is_not_taken_in_the_clear_from_another_machine(place):
    port, _, _ = place
    status, headers, text = sign_in(port, "viewer", Host="192.0.2.1:8042")
    assert (status, headers["Set-Cookie"]) == (403, None)
    assert "HTTPS" in text


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil"]
)
def test_signing_in_leads_nowhere_else(place, wanted):
    port, _, _ = place
    assert sign_in(port, "viewer", wanted=wanted)[1]["Location"] == "/"


def test_another_pages_form_changes_nothing(place):
    port, db, _ = place
    known = cookie_of(sign_in(port, "admin")[1])
    add_user(db, "victim")
    for said in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {},
    ):
        status, _, _ = ask(port, "DELETE", "/api/v1/users/victim", known | said)
        assert status == 403, said
    own = known | {"Origin": f"http://127.0.0.1:{port}"}
    assert ask(port, "DELETE", "/api/v1/users/victim", own)[0] == 204


def test_a_session_ends_with_its_user_and_with_its_password(place):
    port, db, _ = place
    add_user(db, "leaver")
    known = cookie_of(sign_in(port, "leaver")[1])
    with db.transaction() as tx:
        accounts.set_role(tx, "leaver", "operator")
    text = ask(port, "GET", "/api/v1/me", known)[2]
    assert json.loads(text)["role"] == "operator"
    with db.transaction() as tx:
        accounts.set_password(tx, "leaver", passwords.hashed(PASSWORD), clock())
    assert ask(port, "GET", "/api/v1/me", known)[0] == 401
    known = cookie_of(sign_in(port, "leaver")[1])
    with db.transaction() as tx:
        accounts.remove(tx, "leaver")
    assert ask(port, "GET", "/api/v1/me", known)[0] == 401


def test_a_session_slides_and_ends(place):
    _, db, _ = place
    now, idle = clock(), timedelta(hours=1)
    session = sessions.WebSession(
        "d", "somebody", "viewer", "oidc", now, now, now + timedelta(hours=3)
    )
    later = now + timedelta(minutes=50)
    with db.transaction() as tx:
        sessions.begin(tx, session)
        assert sessions.find(tx, "d", now + timedelta(minutes=61), idle) is None
        assert sessions.find(tx, "d", later, idle)
        sessions.seen(tx, "d", later)
        assert sessions.find(tx, "d", now + timedelta(minutes=61), idle)
        sessions.seen(tx, "d", now + timedelta(minutes=179))
        assert sessions.find(tx, "d", now + timedelta(hours=3), idle) is None


def test_guessing_is_refused_after_a_few_tries_whatever_comes_then(place):
    port, db, _ = place
    add_user(db, "guessed")
    statuses = [sign_in(port, "guessed", "not the password")[0] for _ in range(3)]
    assert statuses == [401, 401, 401]
    status, headers, text = sign_in(port, "guessed")
    assert status == 429
    assert 0 < int(headers["Retry-After"]) <= 900
    assert "Too many tries" in text
    assert sign_in(port, "viewer")[0] == 303


def test_a_name_that_nobody_has_is_answered_as_a_wrong_password(place):
    port, _, _ = place
    unknown = sign_in(port, "nobody-at-all")
    wrong = sign_in(port, "viewer", "not the password")
    assert (unknown[0], unknown[2]) == (wrong[0], wrong[2])


def test_every_answer_tells_browsers_whom_to_trust(place):
    port, _, _ = place
    for path in ("/login", "/api/v1/jobs", "/health/live", "/nowhere"):
        headers = ask(port, "GET", path)[1]
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_the_form_says_nothing_that_was_sent_as_markup(place):
    port, _, _ = place
    text = ask(port, "GET", "/login?next=/%22%3E%3Cscript%3E")[2]
    assert "<script" not in text
    assert "&quot;&gt;&lt;script&gt;" in text


def test_a_node_for_others_does_not_start_where_nobody_can_be_known(tmp_path):
    conf = settings(tmp_path, http={"port": 0, "host": EVERYWHERE})
    parts = open_parts(conf)
    with closing(parts.database):
        with pytest.raises(SettingsInvalid, match="users add"):
            make_server(conf, parts, dict)
        add_user(parts.database, "first", "admin")
        make_server(conf, parts, dict)


@pytest.mark.parametrize(
    "auth",
    [
        {"api_keys": ["sixteen-characters"]},
        {"allow_unauthenticated": True},
        {"proxy": {"addresses": ["192.0.2.1"], "roles": {"*": "viewer"}}},
    ],
)
def test_a_node_for_others_starts_when_it_is_meant(tmp_path, auth):
    conf = settings(tmp_path, http={"port": 0, "host": EVERYWHERE, "auth": auth})
    parts = open_parts(conf)
    with closing(parts.database):
        make_server(conf, parts, dict)


def test_a_user_closes_a_node_that_was_open(tmp_path):
    conf = settings(tmp_path)
    with scripted_node(conf, Role.WEB) as node, closing(ready_database(conf)) as db:
        assert ask(node.http_port, "GET", "/api/v1/jobs")[0] == 200
        add_user(db, "first", "admin")
        assert ask(node.http_port, "GET", "/api/v1/jobs")[0] == 401


def behind_a_proxy(folder, addresses):
    proxy = {"addresses": addresses, "roles": {"readers": "viewer", "it": "admin"}}
    return settings(folder, http={"port": 0, "auth": {"proxy": proxy}})


def test_a_proxys_word_counts_from_its_address(tmp_path):
    with scripted_node(behind_a_proxy(tmp_path, ["127.0.0.0/8"]), Role.WEB) as node:

        def me(**said):
            headers = {name.replace("_", "-"): text for name, text in said.items()}
            status, _, text = ask(node.http_port, "GET", "/api/v1/me", headers)
            return status, json.loads(text).get("role")

        assert me(X_Forwarded_User="ann", X_Forwarded_Groups="it, readers") == (
            200,
            "admin",
        )
        assert me(X_Forwarded_User="ann", X_Forwarded_Groups="others") == (401, None)
        assert me(X_Forwarded_Groups="it") == (401, None)
        assert me() == (401, None)
        elsewhere = {"X_Forwarded_For": "192.0.2.9"}
        assert me(X_Forwarded_User="ann", X_Forwarded_Groups="it", **elsewhere) == (
            200,
            "admin",
        )


def test_nobody_else_speaks_for_the_proxy(tmp_path):
    with scripted_node(behind_a_proxy(tmp_path, ["192.0.2.9"]), Role.WEB) as node:
        said = {
            "X-Forwarded-User": "ann",
            "X-Forwarded-Groups": "it",
            "X-Forwarded-For": "192.0.2.9",
        }
        assert ask(node.http_port, "GET", "/api/v1/me", said)[0] == 401


def test_users_and_keys_are_kept_by_http_too(place):
    port, _, keys = place
    admin = keys[AccessRole.ADMIN] | {"Content-Type": "application/json"}
    new = json.dumps({"name": "ann", "role": "viewer", "password": PASSWORD})
    assert ask(port, "POST", "/api/v1/users", admin, new)[0] == 201
    assert ask(port, "POST", "/api/v1/users", admin, new)[0] == 409
    change = json.dumps({"role": "operator"})
    assert ask(port, "PATCH", "/api/v1/users/ann", admin, change)[0] == 204
    listed = ask(port, "GET", "/api/v1/users", admin)[2]
    assert {"ann": "operator"}.items() <= {
        one["name"]: one["role"] for one in json.loads(listed)["items"]
    }.items()
    assert "argon2" not in listed
    made = ask(port, "POST", "/api/v1/keys", admin, json.dumps({"name": "script"}))[2]
    key = {"Authorization": f"Bearer {json.loads(made)['key']}"}
    assert json.loads(ask(port, "GET", "/api/v1/me", key)[2])["role"] == "viewer"
    assert json.loads(made)["key"] not in ask(port, "GET", "/api/v1/keys", admin)[2]
    assert ask(port, "DELETE", "/api/v1/keys/script", admin)[0] == 204
    assert ask(port, "GET", "/api/v1/me", key)[0] == 401
    assert ask(port, "DELETE", "/api/v1/users/ann", admin)[0] == 204
    assert ask(port, "DELETE", "/api/v1/users/ann", admin)[0] == 404
