"""What holds for a stack at any moment of a rotation, and the plans of rotations."""

from __future__ import annotations

import datetime as dt

import bcrypt
from cryptography import x509

from registry_app import issuing
from registry_app.auth.htpasswd import parse_htpasswd
from registry_app.auth.http_secret import parse_secrets
from stackgen.rotation import journal
from stackgen.rotation.planning import Request, plan_rotation, plan_way_back

HOST = "registry.example.com"


def now():
    """The time, as plans take it."""
    return dt.datetime.now(dt.UTC)


def chain(folder):
    """The certificates that are served."""
    return x509.load_pem_x509_certificates((folder.root / "certs/fullchain.pem").read_bytes())


def assert_works(folder):
    """What a restart of nginx and the registry needs, whatever happened before."""
    served = chain(folder)
    assert issuing.is_pair(served[0], (folder.root / "certs/privkey.pem").read_bytes())
    assert issuing.covers(served[0], HOST)
    assert (folder.root / "certs/privkey.pem").stat().st_mode & 0o777 == 0o640
    authority = x509.load_pem_x509_certificate((folder.authority / "ca.crt").read_bytes())
    assert issuing.is_pair(authority, (folder.authority / "ca.key").read_bytes())
    assert parse_secrets(folder.http_secret.read_bytes())
    users = parse_htpasswd(folder.htpasswd.read_bytes())
    if "admin" not in users.hashes:
        return
    password = folder.admin_password.read_bytes().strip()
    valid = users.valid("admin", now().timestamp())
    assert any(bcrypt.checkpw(password, stored.text) for stored in valid)


def assert_modes(folder):
    """Nothing that holds a secret can be read by everyone, drafts and copies included, and nothing be replaced."""
    for name in ("secrets", "certs", "ca", "grafana-secrets", ".stackgen"):
        for path in (folder.root / name).rglob("*"):
            if path.is_symlink():
                continue
            public = path.is_dir() or path.name.strip(".").startswith(("ca.crt", "fullchain"))
            public |= name == ".stackgen" and not path.name.strip(".").startswith(("rotation", "previous", "audit"))
            assert not path.stat().st_mode & (0o022 if public else 0o027), path


def plans(folder, settings):
    """Every kind of rotation."""
    request = Request("admin", b"new password", keep_old=3600)
    return {kind: plan_rotation(folder, settings, kind, request) for kind in ("password", "http-secret", "tls", "ca")}


def fresh_plan(folder, settings, kind):
    """A rotation, or the way back from one that has just been carried out; `at once` is without a kept old one."""
    what, _, how = kind.partition(", ")
    if how in {"at once", "a minute"}:
        keep_old = 60 if how == "a minute" else 0
        return plan_rotation(folder, settings, what, Request("admin", b"new password", keep_old=keep_old))
    if how == "back":
        journal.carry_out(folder, settings, plans(folder, settings)[what])
        return plan_way_back(folder, settings, what, Request("admin", b""))
    return plans(folder, settings)[what]
