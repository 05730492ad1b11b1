"""The authority that clients trust is never replaced in silence, and files of another one are noticed."""

import datetime as dt
import shutil

import pytest

from registry_app import issuing
from tests.stackgen.secrets.test_losses import doctor, typed


@pytest.fixture(autouse=True)
def no_docker(monkeypatch):
    """Nothing answers: what is looked at here are files."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


@pytest.fixture
def other(stackgen, folder):
    """Another stack for the same host."""
    stackgen("init", "other", "--domain", "registry.example.com", "--project-name", "other", "--yes")
    return folder.root.parent / "other"


def copy_certificate(folder, other):
    """The other stack's certificate and key."""
    for name in ("fullchain.pem", "privkey.pem"):
        shutil.copy(other / "certs" / name, folder.root / "certs" / name)


def copy_authority(folder, other):
    """The other stack's authority."""
    shutil.rmtree(folder.authority)
    shutil.copytree(other / "ca", folder.authority)


def copy_public(folder, other):
    """The certificate that clients are given is the other authority's."""
    shutil.copy(other / "certs/ca.crt", folder.root / "certs/ca.crt")


REMEDIES = {copy_certificate: "rotate tls", copy_authority: "rotate --keep-old 0s ca", copy_public: "render"}


@pytest.mark.parametrize("mix", REMEDIES)
def test_files_of_another_authority_are_named_with_a_way_out_that_works(stackgen, folder, other, mix):
    """By every command, in the same words."""
    mix(folder, other)
    for command in ("validate", "plan", "render"):
        assert f"stackgen {REMEDIES[mix]} mystack" in stackgen(command, "mystack", code=1).stderr
    found = doctor(folder)
    assert "CERTIFICATE_CHAIN" not in found
    assert REMEDIES[mix] in found["CERTIFICATE_FOREIGN"][2]
    if mix is copy_public:
        (folder.root / "certs/ca.crt").unlink()
    stackgen(*REMEDIES[mix].split(), "mystack")
    assert "CERTIFICATE_FOREIGN" not in doctor(folder)
    assert "is fine" in stackgen("validate", "mystack").stdout
    assert (folder.root / "certs/ca.crt").read_bytes() == (folder.authority / "ca.crt").read_bytes()


def test_an_authority_that_is_lost_with_every_copy_is_missed(stackgen, folder):
    """Not replaced: every client trusts it."""
    for lost in (folder.authority, folder.root / "certs"):
        shutil.rmtree(lost)
    for command in ("validate", "plan", "render"):
        told = stackgen(command, "mystack", code=1).stderr
        assert "ca.key is lost" in told
        assert "stackgen rotate --keep-old 0s ca mystack" in told
    assert "ca.key" in stackgen("status", "mystack").stdout
    assert not folder.authority.exists()
    _, _, remedy = doctor(folder)["AUTHORITY_LOST"]
    stackgen(*typed(remedy))
    assert stackgen("plan", "mystack").stdout == "nothing to change\n"


def test_an_emptied_certificate_of_the_authority_is_put_back(stackgen, folder):
    """As a missing one; nobody is told to append anything to a chain that is whole."""
    file = folder.authority / "ca.crt"
    before = file.read_bytes()
    file.write_bytes(b"")
    assert "CERTIFICATE_CHAIN" not in doctor(folder)
    assert "ca.crt" in stackgen("validate", "mystack").stderr
    stackgen("plan", "mystack", code=2)
    stackgen("render", "mystack")
    assert file.read_bytes() == before


def test_an_authority_that_has_ended_issues_nothing_and_the_way_on_works(stackgen, folder):
    """As of a stack made while the clock stood years back: no bug report, and one command leads on."""
    past = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
    authority = issuing.make_authority(now=past)
    leaf = issuing.issue(authority, ["registry.example.com"], now=past)
    (folder.authority / "ca.key").write_bytes(authority.key_pem)
    for place in (folder.authority / "ca.crt", folder.root / "certs/ca.crt"):
        place.write_bytes(authority.certificate_pem)
    (folder.root / "certs/fullchain.pem").write_bytes(leaf.certificate_pem + authority.certificate_pem)
    (folder.root / "certs/privkey.pem").write_bytes(leaf.key_pem)
    told = stackgen("render", "mystack", code=1).stderr
    assert "it can issue nothing" in told
    assert "stackgen rotate --keep-old 0s ca mystack" in told
    stackgen("rotate", "--keep-old", "0s", "ca", "mystack")
    stackgen("render", "mystack")
