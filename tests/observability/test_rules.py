"""Rules, alerts and panels against the table of metrics, the runbooks and Prometheus' own checks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from registry_app.metrics.definitions import BY_NAME, AtMost, Kind

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "prometheus/rules").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
TESTS = ROOT / "tests/observability/alerts.test.yml"
# What exporters of others give and we use; the live test sees that it comes, cAdvisor's excepted.
FOREIGN = {
    "up",
    "ALERTS",
    "scrape_samples_scraped",
    "nginx_connections_active",
    "nginx_connections_reading",
    "nginx_connections_waiting",
    "nginx_connections_writing",
    "nginx_up",
    "node_cpu_seconds_total",
    "node_disk_io_time_seconds_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "prometheus_tsdb_head_series",
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
}
_WORDS = {
    *("and", "or", "unless", "on", "ignoring", "by", "without", "group_left", "group_right", "bool"),
    *("sum", "rate", "max", "min", "avg", "count", "topk", "time", "vector", "absent", "changes", "clamp_min"),
    *("histogram_quantile", "predict_linear", "label_replace", "label_join"),
}


def rules():
    """Every rule of every file."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def panels(path):
    """What a dashboard draws."""
    return [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]


def queries():
    """(where, expression) of every rule and panel."""
    yield from ((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules())
    for path in DASHBOARDS:
        for panel in panels(path):
            yield from ((f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"])
        for annotation in json.loads(path.read_text())["annotations"]["list"]:
            if "expr" in annotation:
                yield f"{path.stem}: {annotation['name']}", annotation["expr"]


def selectors(expression):
    """(metric, text in braces) of every selector in a PromQL expression."""
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", r"\1 ", expression)
    hidden = re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: '"' + "_" * (len(m[0]) - 2) + '"', bare)
    for match in re.finditer(r"[a-zA-Z_:][\w:]*", re.sub(r"\{[^}]*\}|\[[^]]*\]", lambda m: " " * len(m[0]), hidden)):
        if match[0] in _WORDS or set(match[0]) == {"_"}:
            continue
        braces = re.match(r"\s*\{([^}]*)\}", bare[match.end() :])
        yield match[0], braces[1] if braces else ""


def definition_of(metric):
    """The entry of our table that a series belongs to; None for what others tell."""
    found = BY_NAME.get(metric)
    if found is None:
        found = BY_NAME.get(re.sub(r"_(bucket|sum|count)$", "", metric))
        assert found is None or found.kind is Kind.HISTOGRAM, metric
    return found


@pytest.mark.parametrize(("where", "expression"), list(queries()))
def test_every_metric_and_label_value_of_a_query_exists(where, expression):
    """A rule or panel that asks for what nobody tells would be quiet for ever."""
    found = list(selectors(expression))
    assert found, where
    for metric, braces in found:
        definition = definition_of(metric)
        if definition is None:
            assert metric in FOREIGN | RECORDED, f"{where}: {metric}"
            continue
        for label, operator, text in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', braces):
            if label in {"job", "instance", "le"}:
                continue
            assert label in definition.labels, f"{where}: {metric} has no {label}"
            allowed = definition.labels[label]
            if isinstance(allowed, AtMost):
                continue
            pattern = text if "~" in operator else re.escape(text)
            assert any(re.fullmatch(pattern, value) for value in allowed), f"{where}: {label}{operator}{text}"


def test_every_metric_that_the_service_reads_or_counts_is_used_or_of_distribution():
    """A metric that no rule and no panel asks for is only there if distribution has it, or tells the version."""
    used = {metric for _, expression in queries() for metric, _ in selectors(expression)}
    unused = {name for name in BY_NAME if not any(definition_of(one) is BY_NAME[name] for one in used)}
    assert unused <= {
        "registry_build_info",
        "registry_gc_last_run_removed_blobs",
        "registry_scrub_last_run_damaged_blobs",
    }


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_what_to_type(rule):
    """Severity, a sentence, a command, and a runbook that names the alert."""
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"]
    page = ROOT / rule["annotations"]["runbook"]
    assert page.parent == ROOT / "docs/runbooks"
    assert rule["alert"] in page.read_text().splitlines()[0]
    assert f"[{rule['alert']}" in (page.parent / "README.md").read_text() or rule["alert"].startswith("Certificate")


def test_every_runbook_has_an_alert():
    """No page about what can't happen."""
    pages = {f"docs/runbooks/{path.name}" for path in (ROOT / "docs/runbooks").glob("*.md")} - {
        "docs/runbooks/README.md"
    }
    assert pages == {rule["annotations"]["runbook"] for rule in ALERTS}


def test_every_alert_is_driven_to_firing_and_back():
    """In the file for promtool, each alert fires in one case and is quiet before or after it."""
    fired, quiet = set(), set()
    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for check in case.get("alert_rule_test", []):
            (fired if check["exp_alerts"] else quiet).add(check["alertname"])
    names = {rule["alert"] for rule in ALERTS}
    assert fired == names
    assert quiet == names


@pytest.fixture(scope="module")
def promtool():
    """Debian's package prometheus brings it."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not here: scripts/prerequisites installs it")
    return found


def test_promtool_finds_nothing_wrong_with_the_rules(promtool):
    """Names, expressions, templates."""
    done = subprocess.run([promtool, "check", "rules", *RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_promtool_drives_the_alerts(promtool):
    """Each fires when it should, says what it should, and ends."""
    done = subprocess.run([promtool, "test", "rules", TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_last_collection_is_judged_by_the_interval_of_this_stack(promtool, tmp_path):
    """Three days are in time where a week was asked for, three hours are not where an hour was."""
    (asked,) = [
        panel["targets"][0]["expr"] for panel in panels(ROOT / "grafana/dashboards/overview.json")
        if panel["title"] == "Last collection"
    ]  # fmt: skip
    hours = {(168, 72): "in time", (24, 47): "in time", (24, 49): "overdue", (1, 3): "overdue", (None, 900): "in time"}
    cases = []
    for (interval, ago), state in hours.items():
        told = {"registry_maintenance_last_run_timestamp_seconds": 0}
        if interval is not None:
            told["registry_maintenance_interval_seconds"] = interval * 3600
        found = [{"labels": f'{{task="gc", state="{state}"}}', "value": ago * 3600}]
        cases.append(
            {
                "interval": "1h",
                "input_series": [
                    {"series": f'{name}{{task="gc"}}', "values": f"{value}x{ago}"} for name, value in told.items()
                ],
                "promql_expr_test": [{"expr": asked, "eval_time": f"{ago}h", "exp_samples": found}],
            }
        )
    file = tmp_path / "collection.test.yml"
    file.write_text(yaml.safe_dump({"tests": cases}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_dashboards_fit_the_schema_of_the_pinned_grafana(tmp_path):
    """Grafana publishes the types of its own JSON; every key and value of ours is one of theirs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here: it brings @grafana/schema")
    image = tomllib.loads((ROOT / "profiles/observability.toml").read_text())["images"]["grafana"]
    packages = ["typescript@5.9", f"@grafana/schema@{image.partition(':')[2]}"]
    (tmp_path / "package.json").write_text("{}")
    install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm brings no @grafana/schema here: {done.stderr[-200:]}")
    check = ["node", Path(__file__).with_name("grafana-schema.mjs"), tmp_path, *DASHBOARDS]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = json.loads(DASHBOARDS[0].read_text())
    broken["panels"][1]["options"]["colorMode"] = "rainbow"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    done = subprocess.run([*check[:3], tmp_path / "broken.json"], capture_output=True, text=True, check=False)
    assert "rainbow" in done.stdout
