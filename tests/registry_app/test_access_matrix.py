"""Every route, every method, every kind of caller, against the real service; generated from the router's table.

The rights that each route should ask for stand here once more, written by hand: a route that is new, or asks for
something else, fails until somebody has thought about it.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time

import pytest

from registry_app.auth.access_file import parse_access_file
from registry_app.auth.htpasswd import hash_password, with_user, without_user
from registry_app.auth.identity import ANONYMOUS, Action, Identity
from registry_app.auth.policy import decide
from registry_app.http.routes import ROUTES
from tests.serving import start_registry

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
EXPECTED = {
    "/": {"GET": "public"},
    "/healthz": {"GET": "public"},
    "/v1/_ping": {"GET": "public"},
    "/v1/search": {"GET": "catalog"},
    "/v2": {"GET": "login"},
    "/v2/": {"GET": "login"},
    "/v2/_catalog": {"GET": "catalog"},
    "/v2/{repository}/tags/list": {"GET": "pull"},
    "/v2/{repository}/manifests/{reference}": {"GET": "pull", "HEAD": "pull", "PUT": "push", "DELETE": "delete"},
    "/v2/{repository}/referrers/{digest}": {"GET": "pull"},
    "/v2/{repository}/blobs/uploads": {"POST": "push"},
    "/v2/{repository}/blobs/uploads/": {"POST": "push"},
    "/v2/{repository}/blobs/uploads/{upload}": {"GET": "push", "PATCH": "push", "PUT": "push", "DELETE": "push"},
    "/v2/{repository}/blobs/{digest}": {"GET": "pull", "HEAD": "pull", "DELETE": "delete"},
    "/v2/{repository}/_stackgen/repository": {"DELETE": "delete"},
}
ROLES = {
    "none": set(),
    "bad": set(),
    "reader": {"login", "pull"},
    "pusher": {"login", "push"},
    "writer": {"login", "pull", "push"},
    "admin": {"login", "pull", "push", "delete", "catalog"},
}
USERS = {role: f"{role}-password" for role in ("admin", "reader", "pusher", "writer")}
ACCESS = """
version: 1
rules:
  - {users: [reader], repositories: ["team/**"], actions: [pull]}
  - {users: [pusher], repositories: ["team/**"], actions: [push]}
  - {users: [writer], repositories: ["team/**"], actions: [pull, push]}
  - {users: [admin], repositories: ["**"], actions: [pull, push, delete, catalog]}
  - {anonymous: true, repositories: ["public/**"], actions: [pull]}
"""
BLOB = b"{}"
DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": DIGEST, "size": len(BLOB)},
        "layers": [],
    }
).encode()
COUNT = itertools.count()
ABSENT = "sha256:" + "0" * 64


def headers_of(role):
    """What a caller of this kind sends."""
    if role == "none":
        return {}
    # Another name each time: failures of one name are answered with 429 after a while.
    claim = f"nobody{next(COUNT)}:wrong" if role == "bad" else f"{role}:{USERS[role]}"
    return {"Authorization": "Basic " + base64.b64encode(claim.encode()).decode()}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A service with an image in team/app and one in public/app."""
    folder = tmp_path_factory.mktemp("matrix")
    access = folder / "access.yaml"
    access.write_text(ACCESS)
    config = {"stackgen": {"access_file": str(access), "audit_log": str(folder / "audit.log"), "workers": 2}}
    with start_registry(folder, users=USERS, config=config) as running:
        for repository in ("team/app", "public/app", "private/app"):
            assert push(running, repository) == 201
        yield running


def push(running, repository, role="admin", tag="v1"):
    """Pushes a small image; the status of the manifest."""
    headers = headers_of(role)
    blob = running.request("POST", f"/v2/{repository}/blobs/uploads/?digest={DIGEST}", BLOB, headers, auth=False)
    if blob.status != 201:
        return blob.status
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    return running.request("PUT", f"/v2/{repository}/manifests/{tag}", MANIFEST, headers | kind, auth=False).status


def path_of(template, repository="team/app", digest=DIGEST, reference="v1"):
    """A path of the route."""
    names = {"repository": repository, "digest": digest, "reference": reference, "upload": "0" * 32}
    return template.format(**names)


def ask(running, method, path, role):
    """One request, without a body, of a caller of this kind."""
    return running.request(method, path, None, headers_of(role), auth=False)


def test_every_route_is_thought_of():
    """A new route, or a new method, needs a line in this file."""
    found = {route.template: {m: r.value for m, r in route.methods.items()} for route in ROUTES}
    assert found == EXPECTED


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.template)
def test_each_kind_of_caller_gets_what_the_table_says_and_nothing_else(registry, route):
    """Methods that take something away are asked for where there is nothing, so that each question stands alone."""
    checked = 0
    for method in METHODS:
        asks = EXPECTED[route.template].get("GET" if method == "HEAD" else method)
        for role, rights in ROLES.items():
            place = (
                path_of(route.template, "team/none", ABSENT, "none") if method == "DELETE" else path_of(route.template)
            )
            status = ask(registry, method, place, role).status
            where = f"{method} {place} as {role}: {status}"
            if method == "OPTIONS":
                assert status in {200, 204}, where
            elif asks is None:
                assert status in {405, 501}, where
            elif asks == "public" or asks in rights:
                assert status not in {401, 403, 429}, where
                assert status < 500, where
            elif role in {"none", "bad"}:
                assert status == 401, where
            else:
                assert status == 403, where
            checked += 1
    assert checked == len(METHODS) * len(ROLES)


@pytest.mark.parametrize("role", ["none", "bad", "reader", "pusher"])
def test_a_refusal_tells_nothing_about_what_exists(registry, role):
    """The same bytes and headers for what is there and what is not, but for the id of the request."""
    compared = 0
    for route in ROUTES:
        if "{repository}" not in route.template:
            continue
        for method in METHODS:
            there = ask(registry, method, path_of(route.template, "private/app"), role)
            absent = ask(registry, method, path_of(route.template, "private/none", ABSENT, "none"), role)
            if there.status not in {401, 403}:
                continue
            volatile = {"date", "x-request-id"}
            assert [(k, v) for k, v in there.headers.items() if k.lower() not in volatile] == [
                (k, v) for k, v in absent.headers.items() if k.lower() not in volatile
            ]
            assert (there.status, there.body) == (absent.status, absent.body)
            assert b"private" not in there.body
            compared += 1
    assert compared >= 10


QUESTIONS = {
    "pull": ("GET", "/v2/{}/tags/list"),
    "push": ("POST", "/v2/{}/blobs/uploads/"),
    "delete": ("DELETE", "/v2/{}/manifests/none"),
}


@pytest.mark.parametrize("role", ["none", *USERS])
def test_what_access_check_explains_is_what_the_service_does(registry, role):
    """The same file, asked by the tool's function and by requests, also for names that are not there."""
    rules = parse_access_file(ACCESS.encode())
    identity = ANONYMOUS if role == "none" else Identity(role)
    names = ("team/app", "team/deep/none", "public/app", "private/app", "other")
    for action, (method, path) in QUESTIONS.items():
        for name in names:
            allowed = decide(rules, identity, Action(action), name).allowed
            assert (ask(registry, method, path.format(name), role).status not in {401, 403}) is allowed, (action, name)
    catalog = ask(registry, "GET", "/v2/_catalog", role)
    shown = json.loads(catalog.body)["repositories"] if catalog.status == 200 else []
    for name in ("team/app", "public/app", "private/app"):
        assert (name in shown) is decide(rules, identity, Action.CATALOG, name).allowed, name


def test_a_refusal_says_how_to_log_in_and_no_more(registry):
    """The challenge, an OCI error body."""
    answer = ask(registry, "GET", "/v2/", "none")
    assert answer["WWW-Authenticate"] == 'Basic realm="test"'
    assert json.loads(answer.body)["errors"][0]["code"] == "UNAUTHORIZED"
    assert json.loads(ask(registry, "PUT", "/v2/team/app/manifests/v2", "reader").body)["errors"][0]["code"] == "DENIED"
    assert ask(registry, "PUT", "/v2/team/app/manifests/v2", "reader")["WWW-Authenticate"] is None


def test_anonymous_callers_pull_what_is_public_and_nothing_else(registry):
    """Also skopeo's empty credentials."""
    for headers in ({}, {"Authorization": "Basic Og=="}):
        assert registry.request("GET", "/v2/public/app/manifests/v1", None, headers, auth=False).status == 200
        assert registry.request("GET", f"/v2/public/app/blobs/{DIGEST}", None, headers, auth=False).status == 200
        assert registry.request("GET", "/v2/team/app/manifests/v1", None, headers, auth=False).status == 401
        assert registry.request("POST", "/v2/public/app/blobs/uploads/", None, headers, auth=False).status == 401


def test_where_there_are_no_users_nobody_is_asked_to_log_in(tmp_path):
    """Docker pulls what is open to anyone only if `/v2/` lets it in; what is not open is denied, login or not."""
    (tmp_path / "access.yaml").write_text(ACCESS)
    with start_registry(tmp_path, config={"stackgen": {"access_file": str(tmp_path / "access.yaml")}}) as open_one:
        for headers in ({}, headers_of("admin")):
            statuses = [
                open_one.request(method, path, None, headers).status
                for method, path in (
                    ("GET", "/v2/"),
                    ("GET", "/v2/public/app/tags/list"),
                    ("GET", "/v2/team/app/tags/list"),
                    ("POST", "/v2/public/app/blobs/uploads/"),
                    ("DELETE", "/v2/public/app/manifests/v1"),
                    ("GET", "/v2/_catalog"),
                )
            ]
            assert statuses == [200, 404, 403, 403, 403, 403]
        told = open_one.log.read_text()
        assert "everyone who reaches this port can do what the access file opens to anonymous" in told


def test_a_mount_reaches_only_what_the_caller_may_read(registry):
    """Named, or found by the registry: no blob of a repository that one can't pull from."""
    secret = b"a layer of somebody else's"
    digest = "sha256:" + hashlib.sha256(secret).hexdigest()
    admin = headers_of("admin")
    assert (
        registry.request("POST", f"/v2/private/app/blobs/uploads/?digest={digest}", secret, admin, auth=False).status
        == 201
    )
    for role, source, status in (
        ("writer", "&from=private/app", 202),
        ("writer", "", 202),
        ("pusher", "&from=team/app", 202),
        ("admin", "&from=private/app", 201),
    ):
        path = f"/v2/team/mount-{role}/blobs/uploads/?mount={digest}{source}"
        assert ask(registry, "POST", path, role).status == status, (role, source)
    assert ask(registry, "GET", f"/v2/team/mount-writer/blobs/{digest}", "writer").status == 404


def test_an_upload_belongs_to_its_user_and_its_repository(registry):
    """Neither another user nor another repository can see, feed, finish or cancel it."""
    started = ask(registry, "POST", "/v2/team/app/blobs/uploads/", "writer")
    place = started["Location"].split("?")[0]
    other = place.replace("team/app", "team/other")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert ask(registry, method, f"{other}?digest={DIGEST}", "writer").status == 404
        assert ask(registry, method, f"{place}?digest={DIGEST}", "pusher").status == 404
    assert ask(registry, "GET", place, "writer").status == 204
    assert ask(registry, "DELETE", place, "writer").status == 204


def test_catalog_and_search_show_only_what_may_be_listed_and_pulled(registry):
    """The admin sees all, others are refused."""
    catalog = json.loads(ask(registry, "GET", "/v2/_catalog", "admin").body)["repositories"]
    assert {"team/app", "public/app", "private/app"} <= set(catalog)
    assert ask(registry, "GET", "/v2/_catalog", "writer").status == 403


def test_rules_and_users_change_within_two_seconds_in_every_worker(registry):
    """Sixteen connections, so that each of the two workers is asked."""
    access, htpasswd = registry.root.parent / "access.yaml", registry.root.parent / "htpasswd"
    before = access.read_text(), htpasswd.read_bytes()

    def statuses(role, times=16):
        return {ask(registry, "GET", "/v2/team/app/manifests/v1", role).status for _ in range(times)}

    def becomes(role, expected):
        end = time.monotonic() + 2
        while statuses(role) != expected:
            assert time.monotonic() < end, (role, expected)
            time.sleep(0.1)

    try:
        assert statuses("reader") == {200}
        access.write_text(ACCESS.replace("reader", "nobody"))
        becomes("reader", {403})
        access.write_text("rules: [")
        time.sleep(1)
        assert statuses("writer") == {200}
        assert "access.yaml" in json.loads(registry.ask_debug("/debug/ready").body)["access"]
        access.write_text(before[0])
        htpasswd.write_bytes(without_user(before[1], "writer") + b"broken line\n")
        becomes("reader", {200})
        time.sleep(1)
        assert statuses("writer", 8) <= {401, 429}
        assert "line 4" in json.loads(registry.ask_debug("/debug/ready").body)["users"]
        htpasswd.unlink()
        time.sleep(1)
        assert statuses("reader") == {200}
        assert "No such file" in json.loads(registry.ask_debug("/debug/ready").body)["users"]
        htpasswd.write_bytes(b"")
        time.sleep(1)
        assert statuses("admin") == {200}
        assert "is empty" in json.loads(registry.ask_debug("/debug/ready").body)["users"]
        htpasswd.write_bytes(b"# nobody, on purpose\n")
        time.sleep(1)
        assert statuses("admin", 4) <= {401, 429}
        assert "users" not in json.loads(registry.ask_debug("/debug/ready").body)
    finally:
        access.write_text(before[0])
        htpasswd.write_bytes(before[1])
    becomes("writer", {200})
    assert registry.ask_debug("/debug/ready").status == 200


def test_both_generations_of_a_password_are_accepted_and_the_old_one_ends(registry):
    """By the clock of the registry, without anybody touching the file again."""
    htpasswd = registry.root.parent / "htpasswd"
    before = htpasswd.read_bytes()
    new = {"Authorization": "Basic " + base64.b64encode(b"reader:new").decode()}
    try:
        until = int(time.time()) + 4
        htpasswd.write_bytes(with_user(before, "reader", hash_password(b"new", 4), previous_until=until))
        time.sleep(1.2)
        for headers in (headers_of("reader"), new):
            assert registry.request("GET", "/v2/", None, headers, auth=False).status == 200
        time.sleep(max(0, until + 0.1 - time.time()))
        assert registry.request("GET", "/v2/", None, headers_of("reader"), auth=False).status == 401
        assert registry.request("GET", "/v2/", None, new, auth=False).status == 200
    finally:
        htpasswd.write_bytes(before)
        time.sleep(1.2)


def test_the_audit_log_has_every_write_delete_and_failed_login(registry):
    """Who, from where, what, digest, result; and no password."""
    audit = registry.root.parent / "audit.log"
    push(registry, "team/audited", "writer")
    push(registry, "private/audited", "writer")
    ask(registry, "DELETE", "/v2/team/audited/manifests/v1", "admin")
    wrong = {"Authorization": "Basic " + base64.b64encode(b"reader:wrong").decode()}
    assert registry.request("GET", "/v2/", None, wrong, auth=False).status == 401
    logins = registry.root.parent / "audit.logins.log"
    lines = [json.loads(line) for log in (audit, logins) for line in log.read_text().splitlines()]
    of = [line for line in lines if "audited" in line.get("repository", "")]
    assert [(e["event"], e["user"], e["repository"], e["result"]) for e in of] == [
        ("push", "writer", "team/audited", "201"),
        ("push", "writer", "team/audited", "201"),
        ("push", "writer", "private/audited", "403"),
        ("delete", "admin", "team/audited", "202"),
    ]
    manifest = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
    assert (of[0]["digest"], of[1]["digest"], of[1]["reference"]) == (DIGEST, manifest, "v1")
    assert (of[3]["digest"], of[3]["reference"]) == (manifest, "v1")
    assert all(e["address"] == "127.0.0.1" and e["request_id"] for e in of)
    assert any(e["event"] == "login" and e["user"] == "reader" and "wrong" in e["result"] for e in lines)
    assert not any(password in log.read_text() for log in (audit, logins) for password in USERS.values())
