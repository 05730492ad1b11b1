"""The profile observability on a real engine with a real Prometheus: what was done is what is shown."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from registry_app.monitoring import SETTLED_EVERY_SECONDS
from stackgen.cli.disable import services_of
from stackgen.folder import StackFolder
from tests.live.sample import sample_image
from tests.live.stack import LiveStack, running_stack
from tests.observability import panels

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
MANIFEST_TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
# Of these no stand-in can be had: what they run with is checked statically (tests/observability).
STATIC_ONLY = {"grafana", "cadvisor"}
PATIENCE = 75.0


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@dataclass(frozen=True)
class Observed:
    """A stack whose profile runs, as far as its images can be had here."""

    stack: LiveStack
    services: list[str]

    def query(self, expression: str) -> list[dict[str, object]]:
        """What Prometheus answers, through its port on loopback."""
        found: list[dict[str, object]] = self.api("query", query=expression)["result"]
        return found

    def api(self, path: str, **parameters: str) -> dict:
        address = f"http://127.0.0.1:{self.stack.settings.prometheus_port}/api/v1/{path}"
        with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:  # noqa: S310 - a fixed scheme
            data: dict = json.load(answer)["data"]
            return data

    def value(self, expression: str) -> float | None:
        """The only value of an expression."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None  # type: ignore[index]

    def wait_for(self, expression: str, expected: Callable[[float | None], bool]) -> float | None:
        """The value as soon as it is as expected, or as it is when patience ends."""
        end = time.monotonic() + PATIENCE
        while not expected(found := self.value(expression)) and time.monotonic() < end:
            time.sleep(1)
        return found

    def start(self) -> None:
        self.stack.compose("--profile", "observability", "up", "-d", "--wait", *self.services)

    def identities(self) -> list[str]:
        """The containers of the stack itself."""
        return self.stack.compose("ps", "-q", "registry", "nginx").stdout.split()


@pytest.fixture(scope="module")
def observed(stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A stack of its own, on which a person works before the tests ask."""
    folder = tmp_path_factory.mktemp("observed") / "watched"
    ports = {"PROMETHEUS_PORT": _free_port(), "GRAFANA_PORT": _free_port(), "COMPOSE_PROJECT_NAME": "watched"}
    with running_stack(folder, **ports) as started:
        services = [name for name in services_of(StackFolder(folder), "observability") if name not in STATIC_ONLY]
        running = Observed(started, services)
        running.start()
        try:
            # Two scrapes before anything happens: a rate needs a first value.
            running.wait_for("count_over_time(up{job='registry'}[5m])", lambda seen: (seen or 0) >= 1)
            _work(started)
            done = time.time() + SETTLED_EVERY_SECONDS
            running.wait_for('timestamp(up{job="registry"})', lambda seen: (seen or 0) > done)
            yield running
        finally:
            started.compose("--profile", "observability", "down", "--volumes", "--timeout", "5", *services)


def _work(stack: LiveStack) -> None:
    """One push, two pulls, five wrong logins, a tag deleted, a collection and a scrub."""
    stack.login()
    with sample_image(stack, "team/watched:1", size=2_000_000) as image:
        image.push()
    for _ in range(2):
        manifest = stack.ask("/v2/team/watched/manifests/1", headers={"Accept": MANIFEST_TYPES}).json()
        assert stack.ask(f"/v2/team/watched/blobs/{manifest['layers'][0]['digest']}").status == 200
    for credentials in ("YWRtaW46d3Jvbmc=", "bm9ib2R5Ondyb25n"):  # admin:wrong, nobody:wrong
        for _ in range(2):
            answer = stack.ask_as_stranger("/v2/", headers={"Authorization": f"Basic {credentials}"})
            assert answer.status == 401
    assert stack.ask("/v2/team/watched/manifests/1", method="DELETE").status == 202
    stack.compose("exec", "-T", "registry", "registry", "garbage-collect", "--quiet")
    stack.compose("exec", "-T", "registry", "registry", "scrub")


def test_values_are_what_was_done(observed: Observed) -> None:
    """Counts of images, bytes, logins and deletions; the runs of maintenance; the certificate's end."""
    assert observed.value('sum(registry_pushes_total{outcome="ok"})') == 1
    assert observed.value('registry_maintenance_last_run_success{task="scrub"}') == 1
    assert observed.value('registry_maintenance_last_run_success{task="gc"}') == 1
    assert observed.value('sum(registry_pulls_total{outcome="ok"})') == 2
    assert observed.value('sum(registry_deletes_total{outcome="ok"})') == 1
    pushed = observed.value('registry_pushed_bytes_total{outcome="ok"}') or 0
    pulled = observed.value('registry_pulled_bytes_total{outcome="ok"}') or 0
    assert 2_000_000 < pushed < 2_100_000
    assert 2 * 2_000_000 < pulled < 2 * 2_100_000
    shown = observed.value('registry_recent_repository_bytes{repository="team/watched", direction="pull"}')
    assert shown == pulled
    assert observed.value('sum(registry_auth_requests_total{result="failed"})') == 4
    assert observed.value('registry_recent_user_failed_logins{user="admin"}') == 2
    assert observed.value('registry_recent_user_failed_logins{user="(unknown)"}') == 2
    certificate = x509.load_pem_x509_certificate((observed.stack.folder / "certs/fullchain.pem").read_bytes())
    ends = certificate.not_valid_after_utc.timestamp()
    assert observed.value("registry_certificate_expiry_timestamp_seconds") == ends
    assert observed.value("registry_storage_writable") == 1
    assert observed.value('registry_workers{state="serving"}') == observed.stack.settings.registry_workers
    assert observed.value("registry_observation_errors") == 0
    assert observed.value("nginx_up") == 1
    assert observed.value('count(ALERTS{alertname=~"Registry.*"}) or vector(0)') == 0


def test_every_panel_has_data(observed: Observed) -> None:
    """Each query of each panel gives a result; those of cAdvisor, which can't be had here, are named."""
    asked = {
        f"{path.stem}: {panel['title']}: {target['expr']}": target["expr"]
        for path in sorted((ROOT / "grafana/dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", [])
        if target["expr"] != "ALERTS"  # all is well: there are none
    }
    static = {where for where, expression in asked.items() if "container_" in expression}
    empty = set(asked) - static
    # A rate takes two scrapes with a value, and a rule its next turn.
    end = time.monotonic() + PATIENCE
    while empty and time.monotonic() < end:
        empty = {where for where in empty if not observed.query(asked[where])}
        time.sleep(1 if empty else 0)
    print("checked statically only:", *sorted(static), sep="\n  ")  # noqa: T201 - a person should know
    assert empty == set()


def test_a_person_sees_that_all_is_well(observed: Observed) -> None:
    """The overview's top row is green, and the tables name nobody but those who typed wrong passwords."""
    overview = json.loads((ROOT / "grafana/dashboards/overview.json").read_text())["panels"]
    # Of panels with several numbers the first: cAdvisor can't be had here, which is a warning after five minutes.
    top = {
        panel["title"]: panels.stat(panel, observed.query(panel["targets"][0]["expr"]))
        for panel in overview
        if panel["type"] == "stat"
    }
    # How full this machine's disk is, is not the stack's doing.
    del top["Free space"]
    assert {cell.colour for cell in top.values()} == {"green"}, top
    assert (top["Registry"].text, top["Pushes"].text, top["Damaged blobs"].text) == ("up", "taken", "0")
    named = {
        panel["title"]: {row[0].text for row in panels.table(panel, {"A": observed.query(expression)}).rows}
        for panel in overview
        if panel["type"] == "table" and "topk" in (expression := panel["targets"][0]["expr"])
    }
    assert named["Repositories with failures"] == {"(none)"}
    assert named["Users with wrong logins"] == {"admin", "(unknown)"}


def test_targets_and_rules_are_well(observed: Observed) -> None:
    """Every target that runs here answers; every rule evaluates."""
    targets = {one["labels"]["job"]: one for one in observed.api("targets")["activeTargets"]}
    assert {job for job, one in targets.items() if one["health"] == "up"} == set(targets) - {"cadvisor"}
    rules = [rule for group in observed.api("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert len(rules) > 20


def test_an_alert_fires_for_real_and_ends(observed: Observed) -> None:
    """A flipped byte is found by a scrub, the alert fires, and ends when the image is pushed again."""
    stack = observed.stack
    stack.login()
    damage = (
        "import glob, os; path = max(glob.glob('/var/lib/registry/docker/registry/v2/blobs/*/*/*/data'), "
        "key=os.path.getsize); os.chmod(path, 0o644); file = open(path, 'r+b'); file.seek(99); "
        "byte = file.read(1)[0]; file.seek(99); file.write(bytes([byte ^ 1])); file.close()"
    )
    with sample_image(stack, "team/damaged:1", size=3_000_000) as image:
        image.push()
        stack.compose("exec", "-T", "registry", "python", "-c", damage)
        found = subprocess.run(
            ["docker", "compose", "exec", "-T", "registry", "registry", "scrub"],
            cwd=stack.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert found.returncode == 1, found.stdout + found.stderr
        assert "team/damaged" in found.stdout
        firing = 'count(ALERTS{alertname="ScrubFoundDamage", alertstate="firing"}) or vector(0)'
        assert observed.wait_for(firing, lambda seen: seen == 1) == 1
        image.push()
    assert observed.wait_for("max(registry_quarantined_blobs)", lambda seen: seen == 0) == 0
    assert observed.wait_for(firing, lambda seen: seen == 0) == 0


def test_one_request_id_runs_through_nginx_and_the_registry(observed: Observed) -> None:
    """The client's answer, nginx's line and the registry's line carry the same id; no log holds the password."""
    stack = observed.stack
    answer = stack.ask("/v2/team/nothing/manifests/none?secret=hunter2")
    identity = answer.headers["x-request-id"]
    end = time.monotonic() + 10
    lines: dict[str, list[dict]] = {}
    while len(lines) < 2 and time.monotonic() < end:
        for service in ("nginx", "registry"):
            text = stack.compose("logs", "--no-log-prefix", "--tail", "50", service).stdout
            parsed = [json.loads(line) for line in text.splitlines() if identity in line]
            if parsed:
                lines[service] = parsed
    assert {service: line[-1]["request_id"] for service, line in lines.items()} == dict.fromkeys(
        ("nginx", "registry"), identity
    )
    everything = stack.compose("logs", "--no-log-prefix").stdout
    for secret in (stack.password, "hunter2", "Basic "):
        assert secret not in everything


SPELLINGS = (
    "/metrics", "/metrics/", "//metrics", "/./metrics", "/x/../metrics", "/%6detrics", "/metrics%2f", "/metrics%00",
    "/METRICS", "/debug", "/debug/", "/debug/health", "/debug/ready", "/debug/metrics", "/debug/pprof/", "/%64ebug/health",
    "/stub_status", "/nginx_status", "/basic_status", "/status", "//stub_status", "/%73tub_status",
    "/prometheus", "/prometheus/", "/api/v1/query?query=up", "/-/ready", "/-/reload", "/graph", "/federate",
    "/grafana", "/grafana/", "/login", "/api/health", "/api/dashboards/home", "/api/datasources", "/cadvisor", "/containers/",
    "/_blobs/", "/_blobs/../metrics", "/v2/../metrics", "/v2/%2e%2e/debug/health", "/v2/_catalog/../../metrics",
)  # fmt: skip
TOLD = (
    b"registry_http",
    b"# TYPE",
    b"# HELP",
    b"Active connections",
    b"<title>Grafana",
    b"<title>Prometheus",
    b'"storage"',
    b"nginx_",
)


def test_nothing_of_it_can_be_reached_from_outside(observed: Observed) -> None:
    """Every spelling of metrics, debug, stub_status, Prometheus and Grafana, logged in or not: no such page."""
    for path in SPELLINGS:
        for ask in (observed.stack.ask, observed.stack.ask_as_stranger):
            answer = ask(path)
            assert answer.status in {400, 401, 404, 405}, (path, answer.status, answer.body[:200])
            assert not any(word in answer.body for word in TOLD), (path, answer.body[:200])


def test_nothing_is_published_beyond_loopback(observed: Observed) -> None:
    """Of the profile only Prometheus and Grafana have ports, on 127.0.0.1; networks lead nowhere."""
    project = json.loads(observed.stack.compose("--profile", "observability", "config", "--format", "json").stdout)
    for name, service in project["services"].items():
        if service.get("profiles") == ["observability"]:
            assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}, name
            assert set(service["networks"]) <= {"backend", "monitoring", "loopback"}, name
    assert project["networks"]["monitoring"]["internal"] is True
    done = subprocess.run(
        ["docker", "compose", "exec", "-T", "prometheus", "wget", "-q", "-T", "3", "-O", "-", "http://192.0.2.1/"],
        cwd=observed.stack.folder, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    for container in ("prometheus", "node-exporter", "nginx-exporter"):
        found = json.loads(
            observed.stack.docker("inspect", observed.stack.compose("ps", "-q", container).stdout.strip()).stdout
        )[0]
        assert found["Config"]["User"] == "65534:65534"
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["Privileged"] is False


def test_off_and_on_again_leaves_the_rest_alone(observed: Observed) -> None:
    """What `stackgen disable` says to type stops the profile alone, and leaves its named volumes and nothing else."""
    stack = observed.stack
    before = observed.identities()
    # As printed, without the services that were never started here.
    stack.compose("--profile", "observability", "down", *observed.services)
    assert observed.identities() == before
    assert stack.ask("/v2/").status == 200
    left = json.loads(
        f"[{','.join(stack.compose('ps', '--all', '--format', 'json').stdout.split(chr(10))).strip(',')}]"
    )
    assert {one["Service"] for one in left} == {"registry", "nginx"}
    networks = stack.docker("network", "ls", "--filter", "name=watched_", "--format", "{{.Name}}").stdout.split()
    assert set(networks) == {"watched_backend", "watched_frontend"}
    volumes = stack.docker("volume", "ls", "--filter", "name=watched_", "--format", "{{.Name}}").stdout.split()
    assert set(volumes) == {"watched_registry_data", "watched_registry_logs", "watched_prometheus_data"}
    observed.start()
    assert observed.identities() == before
    with suppress(AssertionError):
        observed.wait_for("sum(registry_pushes_total)", bool)
    assert (observed.value("max_over_time(sum(registry_pushes_total)[10m:15s])") or 0) >= 2
