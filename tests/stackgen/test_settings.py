"""Settings are refused with a reason, or found again unchanged in everything that is rendered from them."""

import configparser
import re

import pytest
import yaml
from hypothesis import given, settings

from registry_app.auth.user_names import check_new_user_name
from stackgen.dotenv import quote
from stackgen.env_file import NAMES, read_settings
from stackgen.hosts import parse_host
from stackgen.planning import PlanInputs, plan_stack
from stackgen.values import parse_bytes, parse_duration
from tests.stackgen.generated import GOOD, good_values, settings_files


def compose_of(plan):
    """compose.yaml as Compose understands it: parsed, then `$$` means `$`."""

    def undouble(node):
        match node:
            case str():
                return node.replace("$$", "$")
            case list():
                return [undouble(one) for one in node]
            case dict():
                return {key: undouble(one) for key, one in node.items()}
            case _:
                return node

    return undouble(yaml.safe_load(plan.file("compose.yaml").content.decode()))


@given(settings_files())
def test_a_settings_file_is_refused_with_a_remedy_or_every_value_is_found_again(values):
    """No hostile value ends in a traceback, changes another line, or comes out as something else."""
    check(values)


@given(settings_files(hostile=False))
def test_a_settings_file_of_good_values_comes_out_unchanged(values):
    """Most of these are not refused, so that what is rendered is looked at."""
    check(values)


@pytest.mark.slow
@given(settings_files())
@settings(max_examples=1000)
def test_a_thousand_settings_files(values):
    """The same once more, for longer."""
    check(values)


@pytest.mark.slow
@given(settings_files(hostile=False))
@settings(max_examples=1000)
def test_a_thousand_settings_files_of_good_values(values):
    """The same once more, for longer."""
    check(values)


def check(values):
    """One settings file: refused with reasons and remedies, or rendered without a loss."""
    read = read_settings("".join(f"{name}={quote(value)}\n" for name, value in values.items()))
    if read.settings is None:
        assert read.problems
        assert all(problem.reason and problem.remedy and problem.name in values for problem in read.problems)
        return
    plan = plan_stack(PlanInputs(read.settings))
    check_compose(read.settings, compose_of(plan))
    if "config/config.yml" in {one.path for one in plan.files}:
        check_config(read.settings, yaml.safe_load(plan.file("config/config.yml").content.decode()))
    if read.settings.proxy == "nginx":
        check_nginx(read.settings, plan.file("nginx/nginx.conf").content.decode())
    check_observability(read.settings, plan)


def check_compose(stack, compose):
    """Each setting that compose.yaml carries stands where Compose looks for it."""
    registry, nginx = compose["services"]["registry"], compose["services"].get("nginx")
    front = nginx or registry
    assert compose["name"] == stack.compose_project_name
    assert (nginx is None) == (stack.proxy == "none")
    published = [int(port["published"]) for port in front["ports"]]
    assert published[0] == stack.https_port
    assert published[1:] == ([stack.http_port] if nginx and stack.http_port else [])
    assert {port.get("host_ip") for port in front["ports"]} == {stack.bind_address}
    mounts = {mount["target"]: mount["source"] for mount in registry["volumes"]}
    assert mounts["/var/lib/registry"] == (stack.storage_dir or "registry_data")
    assert mounts["/etc/docker/registry"] == stack.configs_dir
    front_mounts = {mount["target"]: mount["source"] for mount in front["volumes"]}
    assert front_mounts["/etc/nginx/certs" if nginx else "/certs"] == stack.certs_dir
    assert registry["user"] == stack.registry_user
    assert str(stack.secrets_gid) in registry["group_add"]
    assert int(registry["deploy"]["resources"]["limits"]["memory"]) == parse_bytes(stack.registry_memory)
    if stack.registry_image:
        assert registry["image"].startswith(stack.registry_image)
        assert "build" not in registry
    else:
        arguments = registry["build"].get("args", {})
        assert arguments.get("HTTP_PROXY") == stack.build_http_proxy
        assert arguments.get("NO_PROXY", "") == stack.build_no_proxy
        assert compose.get("secrets", {}).get("extra_ca", {}).get("file") == stack.build_extra_ca


def check_nginx(stack, text):
    """Each setting stands in a directive of its own, and no value opens or ends another one."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        found.setdefault(name, []).append(rest.removesuffix(";"))
    assert found.get("set_real_ip_from", []) == list(stack.trusted_proxies)
    for names in found["server_name"]:
        assert names == "_" or all(parse_host(name.strip("[]")) for name in names.split(" "))
    assert stack.service_domain in found["server_name"][-1]
    assert re.fullmatch(r"[a-z0-9.:\[\]-]+", stack.authority)
    assert f'Host "{stack.authority}"' in found["proxy_set_header"]
    redirects = [f"308 {stack.external_url}$request_uri"] if stack.http_port else []
    to_https = "308 https://$http_host$request_uri"  # for plain HTTP that comes to the port of TLS
    assert [one for one in found["return"] if one.startswith("308")] == [*redirects, to_https]
    assert (text.count("Strict-Transport-Security") > 0) == stack.hsts


def check_observability(stack, plan):
    """Prometheus and Grafana read their settings back from their own files."""
    prometheus = yaml.safe_load(plan.file("prometheus/prometheus.yml").content.decode())
    assert prometheus["global"]["external_labels"] == {"stack": stack.compose_project_name}
    targets = [
        target
        for one in prometheus.get("alerting", {}).get("alertmanagers", [])
        for config in one["static_configs"]
        for target in config["targets"]
    ]
    assert targets == ([stack.prometheus_alertmanager] if stack.prometheus_alertmanager else [])
    grafana = configparser.RawConfigParser()
    grafana.read_string(plan.file("grafana/grafana.ini").content.decode())
    assert grafana["security"]["admin_user"] == stack.grafana_admin_user


def check_config(stack, config):
    """Each setting of the registry's own stands in config.yml."""
    assert config["storage"]["delete"]["enabled"] is stack.registry_storage_delete_enabled
    assert config["log"] == {"level": stack.log_level, "formatter": stack.log_format}
    assert config["auth"]["htpasswd"]["realm"] == stack.compose_project_name
    own = config["stackgen"]
    assert (own["workers"], own["threads"]) == (stack.registry_workers, stack.registry_threads)
    assert own["reserve"] == parse_bytes(stack.storage_reserve)
    assert own["gc"]["interval"] == f"{parse_duration(stack.gc_interval)}s"
    assert own["gc"]["untagged"] is stack.gc_untagged


@pytest.mark.parametrize("name", GOOD)
def test_every_example_of_a_good_value_is_taken(name):
    """The generator's good values are good, so that the property above tests more than refusals."""
    for value in good_values(name):
        assert not read_settings(f"{name}={quote(value)}\n").problems


def test_every_setting_has_a_good_value_in_these_tests():
    """A new setting is generated too."""
    missing = {
        name for name in NAMES if name not in GOOD and not name.startswith(("GRAFANA", "PROMETHEUS", "CADVISOR"))
    }
    assert not missing


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SERVICE_DOMAIN=bücher.example", "xn--bcher-kva.example"),
        ("SERVICE_DOMAIN=Registry.example.com", "has capitals: write registry.example.com"),
        ("SERVICE_DOMAIN=https://r.example.com/", "starts with a scheme: write r.example.com"),
        ("SERVICE_DOMAIN=r.example.com:8443", "holds a port: write r.example.com, and HTTPS_PORT=8443"),
        ("SERVICE_DOMAIN=[2001:db8::1]", "has brackets: write 2001:db8::1"),
        ("SERVICE_DOMAIN=[::1]:5000", "has brackets: write ::1, and HTTPS_PORT=5000"),
        ("SERVICE_DOMAIN=r.example.com.", "ends with a dot: write r.example.com"),
        ("SERVICE_DOMAIN=r.example.com/team", "holds a path: write r.example.com"),
        ("SERVICE_DOMAIN=me@r.example.com", "holds a user: write r.example.com"),
        ("SERVICE_DOMAIN='*.example.com'", "one name"),
        ("SERVICE_DOMAIN=my_host.example.com", "holds a _"),
        ("SERVICE_DOMAIN=0.0.0.0", "every address of this machine"),
        ("SERVICE_DOMAIN=::", "every address of this machine"),
        ("SERVICE_DOMAIN=255.255.255.255", "no address of a machine"),
        ("SERVICE_DOMAIN=224.0.0.1", "multicast"),
        ("SERVICE_DOMAIN=ff02::1", "multicast"),
        ("SERVICE_DOMAIN='fe80::1%eth0; } evil {'", "has a zone"),
        ("REGISTRY_EXTERNAL_URL=https://0.0.0.0", "every address of this machine"),
        ("BIND_ADDRESS='fe80::1%eth0; } evil {'", "has a zone"),
        ("BIND_ADDRESS=224.0.0.1", "multicast"),
        ("TRUSTED_PROXIES='fe80::1%eth0; } evil {'", "a zone"),
        ("SERVICE_DOMAIN=", "is empty"),
        ("HTTPS_PORT=", "is empty"),
        ("PROXY=", "is empty"),
        ("TLS=''", "is empty"),
        ("COMPOSE_PROJECT_NAME=", "is empty"),
        ("REGISTRY_ADMIN_USER=a:b", "is no user name"),
        ("SERVICE_DOMAIN=300.1.1.1", "no IP address"),
        ("REGISTRY_EXTERNAL_URL=http://x", "https"),
        ("REGISTRY_EXTERNAL_URL=https://x/path", "plain address"),
        ("REGISTRY_USER=0:0", "root"),
        ("STORAGE_DIR=data", "volume"),
        ("STORAGE_DIR=/", "of the system"),
        ("STORAGE_DIR=/srv/../etc/", "of the system"),
        ("STORAGE_DIR=~/data", "home"),
        ("CERTS_DIR=.", "secrets"),
        ("CERTS_DIR=./secrets", "another use"),
        ("STORAGE_DIR=./certs", "another use"),
        ("STORAGE_DIR=./config/images", "another use"),
        ("BUILD_HTTP_PROXY=http://me:secret@proxy:1", "password"),
        ("HTTP_PORT=443", "and so is HTTPS_PORT"),
        ("COMPOSE_PROFILES=observability\nHTTPS_PORT=3000", "is 3000, and so is HTTPS_PORT"),
        ("COMPOSE_PROFILES=observability\nGRAFANA_PORT=9090", "is 9090, and so is PROMETHEUS_PORT"),
        ("REGISTRY_MEMORY=2048", "a number alone counts bytes"),
        ("NGINX_MEMORY=6MiB", "is less than 32MiB"),
        ("HTTPS_PORT=eight", "whole number"),
        ("HSTS=maybe", "neither true nor false"),
        ("STORAGE_RESERVE=lots", "no size"),
        ("GC_INTERVAL=0h", "zero"),
        ("PROMETHEUS_RETENTION=99999999h", "longer than a hundred years"),
        ("PROMETHEUS_RETENTION_SIZE=9999999999T", "more than any program can count"),
        ("PROXY=traefik", "nginx"),
        ("REGISTRY_IMAGE=a:1\nREGISTRY_VERSION=2", "already names a tag"),
        ("SERVICE_DOMIAN=x", "did you mean SERVICE_DOMAIN?"),
    ],
)
def test_a_mistake_is_named(line, words):
    """The message holds what helps."""
    problems = read_settings(line + "\n").problems
    assert words in " ".join(problem.reason for problem in problems)


def test_what_may_be_empty_stays_so():
    """Where none is a choice, an empty value says it."""
    text = "COMPOSE_PROFILES=\nBIND_ADDRESS=\nSTORAGE_DIR=\nREGISTRY_EXTERNAL_URL=\nBUILD_NO_PROXY=\n"
    assert read_settings(text).problems == ()


@pytest.mark.parametrize(
    "name", ["ann", "ann@example.com", "Ann Müller", "a$b", "x" * 255, "a:b", "#a", " a", "x" * 256, "anonymous"]
)
def test_the_first_user_may_have_the_names_that_users_add_takes(name):
    """One rule, whoever makes the user."""
    try:
        check_new_user_name(name)
        taken = True
    except ValueError:
        taken = False
    assert (not read_settings(f"REGISTRY_ADMIN_USER={quote(name)}\n").problems) is taken


def test_ports_that_never_meet_may_have_one_number():
    """Of a profile that is not enabled, of other addresses, and of no port at all."""
    for text in (
        "HTTPS_PORT=3000\n",
        "HTTPS_PORT=3000\nBIND_ADDRESS=192.0.2.7\nCOMPOSE_PROFILES=observability\n",
        "PROMETHEUS_PORT=0\nGRAFANA_PORT=0\nHTTP_PORT=0\nCOMPOSE_PROFILES=observability\n",
        "PROXY=none\nHTTP_PORT=443\n",
    ):
        assert read_settings(text).problems == ()


def test_an_address_of_this_machine_may_be_every_one():
    """Ports may open on all of them, though nobody can dial that address."""
    assert read_settings("BIND_ADDRESS=0.0.0.0\n").settings.bind_address == "0.0.0.0"  # noqa: S104  (a setting's value)


def test_variables_of_others_are_left_alone():
    """Proxies, Compose's own variables and those of an override file are none of our business."""
    text = "HTTP_PROXY=http://p:1\nHTTPS_PROXY=http://p:1\nCOMPOSE_BAKE=true\nMY_OVERRIDE=1\nTZ=UTC\n"
    read = read_settings(text)
    assert read.settings is not None
    assert "MY_OVERRIDE" in read.foreign


@pytest.mark.parametrize(
    ("lines", "authority"),
    [
        ("SERVICE_DOMAIN=registry.example.com", "registry.example.com"),
        ("SERVICE_DOMAIN=registry.example.com\nHTTPS_PORT=8443", "registry.example.com:8443"),
        ("SERVICE_DOMAIN=registry", "registry:443"),
        ("SERVICE_DOMAIN=2001:db8::1\nHTTPS_PORT=5000", "[2001:db8::1]:5000"),
        ("REGISTRY_EXTERNAL_URL=https://r.example.com\nHTTPS_PORT=8443", "r.example.com"),
    ],
)
def test_the_printed_name_is_one_that_docker_takes_for_a_registry(lines, authority):
    """A name without a dot or a port would mean a folder of Docker Hub."""
    assert read_settings(lines).settings.authority == authority


@pytest.mark.parametrize("name", ["COMPOSE_PROFILE", "COMPOSE_PROJECT", "COMPOSE_PROJECTNAME"])
def test_a_name_of_composes_that_compose_does_not_know_is_a_slip(name):
    """What Compose does know is left to it, near as it may be."""
    (problem,) = read_settings(f"SERVICE_DOMAIN=a.example\n{name}=observability\n").problems
    assert (problem.line, problem.name) == (2, name)
    assert "did you mean COMPOSE_PRO" in problem.reason
    assert read_settings("SERVICE_DOMAIN=a.example\nCOMPOSE_FILE=a.yaml\n").foreign == ("COMPOSE_FILE",)


@pytest.mark.parametrize(
    ("bound", "own"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.5", "192.0.2.5")],  # noqa: S104
)
def test_this_host_finds_its_own_stack_where_it_is_bound(bound, own):
    """For the line in /etc/hosts, and for whoever looks what is served."""
    assert read_settings(f"BIND_ADDRESS={bound}\n").settings.own_address == own
