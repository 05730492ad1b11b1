"""Settings are refused with a reason, or found again unchanged in everything that is rendered from them."""

import pytest
import yaml
from hypothesis import given, settings

from stackgen.dotenv import quote
from stackgen.env_file import NAMES, read_settings
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
        ("SERVICE_DOMAIN=Registry.example.com", "registry.example.com"),
        ("SERVICE_DOMAIN=300.1.1.1", "no IP address"),
        ("REGISTRY_EXTERNAL_URL=http://x", "https"),
        ("REGISTRY_EXTERNAL_URL=https://x/path", "plain address"),
        ("REGISTRY_USER=0:0", "root"),
        ("STORAGE_DIR=data", "volume"),
        ("STORAGE_DIR=~/data", "home"),
        ("CERTS_DIR=.", "secrets"),
        ("CERTS_DIR=./secrets", "another use"),
        ("BUILD_HTTP_PROXY=http://me:secret@proxy:1", "password"),
        ("HTTP_PORT=443", "and so is HTTPS_PORT"),
        ("HTTPS_PORT=eight", "whole number"),
        ("HSTS=maybe", "neither true nor false"),
        ("STORAGE_RESERVE=lots", "no size"),
        ("GC_INTERVAL=0h", "zero"),
        ("PROXY=traefik", "nginx"),
        ("REGISTRY_IMAGE=a:1\nREGISTRY_VERSION=2", "already names a tag"),
        ("SERVICE_DOMIAN=x", "did you mean SERVICE_DOMAIN?"),
    ],
)
def test_a_mistake_is_named(line, words):
    """The message holds what helps."""
    problems = read_settings(line + "\n").problems
    assert words in " ".join(problem.reason for problem in problems)


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
