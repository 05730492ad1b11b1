"""Each check of the doctor decides from facts alone: what it finds, and what it leaves in peace."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app import issuing
from stackgen import docker
from stackgen.certificate_pair import CertificatePair, Fault, FaultKind, PairFile, find_faults
from stackgen.doctor import certificate_checks, engine_checks, facts, folder_checks, host_checks
from stackgen.doctor.findings import Finding, Kind, Severity, worst
from stackgen.embedded import Embedded
from stackgen.folder import StackFolder
from stackgen.neighbours import Neighbour

FOLDER = StackFolder(Path())
RELOAD = "reload it"
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOST = "registry.example.com"
ENGINE = facts.Engine((28, 5), rootless=False, remapped=False, insecure=("127.0.0.0/8",), clock_ahead=0.0)
DOCKER = facts.Docker(installed=True, engine=ENGINE, compose=(2, 40))
AUTHORITY = issuing.make_authority(now=NOW)
STRANGER = issuing.make_authority(now=NOW)
LEAF = issuing.issue(AUTHORITY, [HOST], now=NOW)
CERTIFICATES = facts.Certificates(
    "certs/fullchain.pem",
    chain=(LEAF.certificate, AUTHORITY.certificate),
    anchors=(AUTHORITY.certificate,),
)
DISK = facts.Disk("/srv", free=50 << 30, total=100 << 30, inodes_free=90, inodes_total=100, reserve=1 << 30)
SECRET = facts.File("secrets/htpasswd", 0o640, uid=0, gid=10001, shared=True)


def fault(kind):
    """Something wrong with the certificate."""
    return Fault(kind, Path("certs/fullchain.pem"), "reason", "remedy")


def kinds(findings):
    """The codes of what was found."""
    return [finding.kind for finding in findings]


def test_nothing_is_found_where_nothing_is_wrong():
    """A doctor who always finds something is not believed."""
    assert kinds(engine_checks.check_docker(DOCKER)) == []
    assert kinds(certificate_checks.check_certificates(CERTIFICATES, HOST, reload=RELOAD)) == []
    assert kinds(host_checks.check_disk(DISK, folder=FOLDER)) == []
    assert kinds(folder_checks.check_files([SECRET], group=10001, folder=FOLDER)) == []


@pytest.mark.parametrize(
    ("docker", "found"),
    [
        (facts.Docker(installed=False), [Kind.DOCKER_ABSENT]),
        (facts.Docker(installed=True, silence=docker.SILENT, compose=(2, 40)), [Kind.ENGINE_SILENT]),
        (replace(DOCKER, compose=None), [Kind.COMPOSE_ABSENT]),
        (replace(DOCKER, compose=(2, 33)), [Kind.COMPOSE_OLD]),
        (replace(DOCKER, engine=replace(ENGINE, version=(25, 0))), [Kind.ENGINE_OLD]),
        (replace(DOCKER, engine=replace(ENGINE, version=(20, 10))), [Kind.ENGINE_OLD]),
        (replace(DOCKER, engine=replace(ENGINE, rootless=True)), [Kind.ENGINE_ROOTLESS]),
        (replace(DOCKER, engine=replace(ENGINE, remapped=True)), [Kind.ENGINE_USERNS]),
        (replace(DOCKER, engine=replace(ENGINE, endpoint="ssh://ops@far.example")), [Kind.ENGINE_ELSEWHERE]),
        (replace(DOCKER, engine=replace(ENGINE, clock_ahead=-86400.0)), [Kind.CLOCK_ENGINE]),
    ],
)
def test_docker_and_compose(docker, found):
    """Absent, silent, too old, rootless, remapped, another clock."""
    assert kinds(engine_checks.check_docker(docker)) == found


def test_the_build_of_the_image():
    """An authority's file that is none, and an image that is not there yet; each alone."""
    broken = facts.Build("/ca.pem", "can't be read: No such file or directory", "stackgen-registry:1")
    assert kinds(engine_checks.check_build(broken, folder=FOLDER)) == [Kind.BUILD_CA, Kind.IMAGE_UNBUILT]
    assert kinds(engine_checks.check_build(facts.Build("/ca.pem"), folder=FOLDER)) == []


def test_a_socket_that_is_not_ours_names_the_group():
    """The commonest reason for silence."""
    said = docker.Answer(
        1, "", "permission denied while trying to connect to the docker API at unix:///run/docker.sock"
    )
    silence = docker.find_trouble(said)
    (finding,) = engine_checks.check_docker(facts.Docker(installed=True, silence=silence, compose=(2, 40)))
    assert "usermod -aG docker" in finding.remedy


def service(name="nginx", state="running", health="healthy"):
    """A container as Compose lists it."""
    return facts.Service(name, state, health, 0, "Up 3 minutes", folder="/srv/mystack")


@pytest.mark.parametrize(
    ("services", "found"),
    [
        (None, []),
        ([service(), service("registry")], []),
        ([], [Kind.STACK_STOPPED]),
        ([service(state="exited")], [Kind.STACK_STOPPED]),
        ([service()], [Kind.SERVICE_DOWN]),
        ([service(), service("registry", "restarting", "")], [Kind.SERVICE_DOWN]),
        ([service(), service("registry", "running", "unhealthy")], [Kind.SERVICE_UNHEALTHY]),
        ([service(), service("registry", "running", "starting")], []),
    ],
)
def test_services(services, found):
    """A stack at rest is told once; a running one by service."""
    assert kinds(rest(services, Embedded())) == found


def rest(services, embedded):
    """What is found of these containers, and of a stack that is served without Docker or was."""
    return list(engine_checks.check_services(services, frozenset({"nginx", "registry"}), embedded, folder=FOLDER))


@pytest.mark.parametrize(
    ("services", "embedded", "remedy"),
    [
        (None, Embedded(ended=7, used=True, start="stackgen serve"), "stackgen serve"),
        ([], Embedded(ended=7, used=True, start="stackgen serve"), "stackgen serve"),
        ([], Embedded(used=True, start="stackgen serve"), "docker compose up -d --wait; or without Docker, as before: stackgen serve"),
        ([service(state="exited")], Embedded(ended=7, used=True, start="stackgen serve"), "docker compose up -d --wait"),
        ([], Embedded(start="stackgen serve"), "docker compose up -d --wait"),
    ],
)  # fmt: skip
def test_a_stack_at_rest_is_started_as_it_ran_last(services, embedded, remedy):
    """Without Docker where it was killed there; by Compose where there are containers, or it never ran."""
    (finding,) = rest(services, embedded)
    assert (finding.kind, finding.remedy) == (Kind.STACK_STOPPED, remedy)


def test_a_stack_that_is_served_without_docker_does_not_rest():
    """No container runs, and none has to."""
    assert rest([], Embedded(process=7, used=True)) == []


def test_a_project_that_two_folders_share_is_found():
    """`down` in one of them would stop the other's registry."""
    said = [
        kinds(engine_checks.check_project([service()], (), folder=f, project="x"))
        for f in ("/srv/mystack", "/srv/other")
    ]
    assert said == [[], [Kind.PROJECT_SHARED]]


NEIGHBOUR = Neighbour(Path("/srv/other"), "x", frozenset({443}), "192.0.2.5")


def test_a_stack_beside_this_one_is_seen_before_either_runs():
    """Its project and its ports; once, where its containers are there too; not where it listens elsewhere."""
    for services in (None, [], [replace(service(), folder="/srv/other")]):
        found = engine_checks.check_project(services, [NEIGHBOUR], folder="/srv/mystack", project="x")
        assert kinds(found) == [Kind.PROJECT_SHARED]
    assert kinds(engine_checks.check_project([], [NEIGHBOUR], folder="/srv/mystack", project="y")) == []
    for address, found in ((None, [Kind.PORT_SHARED]), ("192.0.2.5", [Kind.PORT_SHARED]), ("127.0.0.1", [])):
        ports = [facts.Port("HTTPS_PORT", 443, taken=False, address=address)]
        assert kinds(host_checks.check_ports(ports, [NEIGHBOUR], running=True)) == found


def test_a_port_is_taken_only_while_the_stack_rests():
    """Afterwards it is the stack's own."""
    taken = [facts.Port("HTTPS_PORT", 443, taken=True)]
    assert kinds(host_checks.check_ports(taken, (), running=False)) == [Kind.PORT_TAKEN]
    assert kinds(host_checks.check_ports(taken, (), running=True)) == []


@pytest.mark.parametrize(
    ("host", "addresses", "found"),
    [
        (HOST, (), [Kind.NAME_UNRESOLVED]),
        (HOST, ("198.51.100.9",), [Kind.NAME_ELSEWHERE]),
        (HOST, ("192.0.2.5",), []),
        (HOST, ("127.0.0.1",), []),
        ("localhost", (), []),
        ("192.0.2.99", (), []),
    ],
)
def test_the_name(host, addresses, found):
    """Unknown, elsewhere, here; addresses and localhost need no name service."""
    name = facts.Name(host, addresses, frozenset({"127.0.0.1", "192.0.2.5"}))
    said = list(host_checks.check_name(name, own_address="192.0.2.5"))
    assert kinds(said) == found
    assert all("echo '192.0.2.5 " in one.remedy for one in said if one.kind is Kind.NAME_UNRESOLVED)


@pytest.mark.parametrize(
    ("changes", "host", "found"),
    [
        ({"chain": (), "faults": (fault(FaultKind.MISSING),)}, HOST, [Kind.CERTIFICATE_MISSING]),
        ({"faults": (fault(FaultKind.UNUSABLE),)}, HOST, [Kind.CERTIFICATE_UNREADABLE]),
        ({"faults": (fault(FaultKind.MISMATCH),)}, HOST, [Kind.CERTIFICATE_KEY]),
        ({"faults": (fault(FaultKind.OTHER_HOST),)}, HOST, [Kind.CERTIFICATE_HOST]),
        ({"faults": (fault(FaultKind.EARLY),)}, HOST, [Kind.CERTIFICATE_EARLY]),
        ({"faults": (fault(FaultKind.EXPOSED),)}, HOST, [Kind.SECRET_OPEN]),
        ({"faults": (fault(FaultKind.DISORDER),)}, HOST, [Kind.CERTIFICATE_CHAIN]),
        ({"faults": (fault(FaultKind.ENDING),)}, HOST, [Kind.CERTIFICATE_ENDING]),
        ({"faults": (fault(FaultKind.ENDED),)}, HOST, [Kind.CERTIFICATE_ENDED]),
        ({"faults": (fault(FaultKind.LOST),)}, HOST, [Kind.AUTHORITY_LOST]),
        ({"anchors": (STRANGER.certificate,)}, HOST, [Kind.CERTIFICATE_CHAIN]),
        ({"chain": (LEAF.certificate, STRANGER.certificate)}, HOST, [Kind.CERTIFICATE_CHAIN]),
        ({"served": STRANGER.certificate}, HOST, [Kind.CERTIFICATE_SERVED]),
        ({"served": LEAF.certificate}, HOST, []),
    ],
)  # fmt: skip
def test_the_certificate(changes, host, found):
    """Files, key, name, dates, chain, and what is served."""
    assert kinds(certificate_checks.check_certificates(replace(CERTIFICATES, **changes), host, reload=RELOAD)) == found


@given(days=st.integers(-800, 800))
def test_exactly_one_thing_is_said_of_a_certificates_dates(days):
    """Early, fine, ending or ended; never two of them."""
    now = NOW + dt.timedelta(days=days)
    pair = CertificatePair(PairFile(Path("c"), LEAF.certificate_pem), PairFile(Path("k"), LEAF.key_pem))
    certificates = replace(CERTIFICATES, faults=find_faults(pair, HOST, now=now))
    said = kinds(certificate_checks.check_certificates(certificates, HOST, reload=RELOAD))
    assert len(said) <= 1


def trust(*authorities, engine="docker"):
    """An engine that takes these authorities."""
    return facts.EngineTrust(engine, f"/etc/{engine}/certs.d/{HOST}/ca.crt", authorities)


def trust_findings(engine, trusts, addresses=("192.0.2.5",)):
    """What is said of these engines."""
    chain = CERTIFICATES.chain
    file = Path("certs/ca.crt")
    return list(
        certificate_checks.check_trust(engine, trusts, chain, authority=HOST, authority_file=file, addresses=addresses)
    )


def test_an_engine_that_does_not_trust_gets_the_exact_line():
    """Each engine its own place."""
    findings = trust_findings(
        ENGINE, [trust(STRANGER.certificate), trust(engine="podman"), trust(AUTHORITY.certificate)]
    )
    assert [(f.kind, f.place) for f in findings] == [
        (Kind.ENGINE_DISTRUSTS, "docker"),
        (Kind.ENGINE_DISTRUSTS, "podman"),
    ]
    assert findings[1].remedy == f"sudo install -D -m 644 certs/ca.crt /etc/podman/certs.d/{HOST}/ca.crt"


def test_insecure_registries_are_named_whether_by_host_or_by_network():
    """And loopback, Docker's own default, is left in peace."""
    for entry in (HOST, "192.0.2.0/24"):
        (finding,) = trust_findings(replace(ENGINE, insecure=(entry,)), [trust()])
        assert finding.kind is Kind.ENGINE_INSECURE
        assert entry in finding.message
    assert trust_findings(ENGINE, [trust()], addresses=("127.0.0.1",)) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"free": 1 << 29}, [Kind.DISK_RESERVE]),
        ({"free": 9 << 30}, [Kind.DISK_LOW]),
        ({"inodes_free": 5}, [Kind.DISK_INODES]),
        ({"inodes_total": 0, "inodes_free": 0}, []),
    ],
)
def test_the_disk(changes, found):
    """Reserve reached, low, or out of inodes; file systems without inodes have none to run out of."""
    assert kinds(host_checks.check_disk(replace(DISK, **changes), folder=FOLDER)) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mode": None}, []),
        ({"mode": 0o644}, [Kind.SECRET_OPEN]),
        ({"gid": 0}, [Kind.SECRET_GROUP]),
        ({"mode": 0o600}, [Kind.SECRET_GROUP]),
        ({"mode": 0o600, "shared": False}, []),
        ({"mode": 0o604}, [Kind.SECRET_OPEN, Kind.SECRET_GROUP]),
    ],
)
def test_secret_files(changes, found):
    """Nobody else reads them, the containers do."""
    assert kinds(folder_checks.check_files([replace(SECRET, **changes)], group=10001, folder=FOLDER)) == found


def test_secrets_that_the_running_registry_has_otherwise():
    """Said once for the folder, with the command that starts the containers with the one of now."""
    folder = StackFolder(Path("my stack"))
    (finding,) = folder_checks.check_unseen([folder.htpasswd, folder.access], folder=folder)
    assert (finding.kind, finding.place) == (Kind.SECRETS_UNSEEN, "my stack/secrets")
    assert finding.remedy == "cd 'my stack' && docker compose up -d --wait --force-recreate"
    assert kinds(folder_checks.check_unseen([], folder=folder)) == []


def test_a_secret_that_was_open_gets_the_command_that_rotates_it():
    """Closing the file does not take back what was read; of a file whose reading harms nobody that is all."""
    said = []
    for rotation in (("http-secret",), ()):
        file = replace(SECRET, mode=0o644, rotation=rotation)
        (finding,) = folder_checks.check_files([file], group=10001, folder=StackFolder(Path("my stack")))
        said.append(finding.remedy)
    assert said == [
        "chmod o= secrets/htpasswd; then: stackgen rotate http-secret 'my stack'",
        "chmod o= secrets/htpasswd",
    ]


def test_what_is_to_be_typed_names_the_stack_where_that_is_elsewhere():
    """`stackgen doctor mystack` is typed beside the stack, and so are its remedies."""
    away = StackFolder(Path("mystack"))
    full = replace(DISK, free=1 << 29)
    found = [
        *engine_checks.check_services([service()], frozenset({"nginx", "registry"}), Embedded(), folder=away),
        *engine_checks.check_services([service(health="unhealthy")], frozenset({"nginx"}), Embedded(), folder=away),
        *engine_checks.check_services([], frozenset({"nginx"}), Embedded(), folder=away),
        *engine_checks.check_build(facts.Build(unbuilt="stackgen-registry:1"), folder=away),
        *host_checks.check_disk(full, folder=away),
    ]
    assert len(found) == 5
    for finding in found:
        assert finding.remedy.startswith("cd mystack && docker compose ") or "stackgen gc mystack" in finding.remedy


def test_the_storage_folder_belongs_to_the_registry():
    """A volume needs no owner of ours."""
    folder = facts.File("/srv/registry", 0o755, uid=0, gid=0)
    assert kinds(folder_checks.check_storage(folder, owner="10001:10001")) == [Kind.STORAGE_OWNER]
    assert kinds(folder_checks.check_storage(replace(folder, mode=None), owner="10001:10001")) == [Kind.STORAGE_OWNER]
    assert kinds(folder_checks.check_storage(replace(folder, uid=10001, gid=10001), owner="10001:10001")) == []
    assert kinds(folder_checks.check_storage(None, owner="10001:10001")) == []


def test_a_clock_that_nothing_sets_is_told_and_an_unknown_one_is_not():
    """No systemd, no verdict."""
    said = [kinds(host_checks.check_clock(facts.Clock(state))) for state in (True, False, None)]
    assert said == [[], [Kind.CLOCK_UNSET], []]


def test_the_worst_finding_decides():
    """Notes alone are no reason to wake anybody."""
    note, warning, error = (Finding(k, "", "", "") for k in (Kind.STACK_STOPPED, Kind.DISK_LOW, Kind.SECRET_OPEN))
    assert worst(()) is None
    assert worst((note,)) is Severity.NOTE
    assert worst((note, error, warning)) is Severity.ERROR
