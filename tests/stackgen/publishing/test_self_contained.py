"""What is published is what is rendered, without anything that lies beside it and with what only a consumer knows."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stackgen.errors import StackgenError
from stackgen.pins import images_of
from stackgen.planning import PlanInputs, PlannedFile, StackPlan, plan_stack
from stackgen.profiles import load_profiles
from stackgen.publishing.self_contained import VARIABLES, Publication, for_anyone, self_contained
from stackgen.settings import StackSettings

IMAGE = "registry.example.com/acme/stack/registry:1.0@sha256:" + "ab" * 32
PROFILES = load_profiles()
SECRETS = tuple(path for profile in PROFILES for path in profile.secrets)


def published(settings=None, *, version="1.0"):
    """The published Compose file of some settings."""
    plan = plan_stack(PlanInputs(for_anyone(settings or StackSettings(), registry_image=IMAGE), PROFILES))
    return self_contained(plan, Publication(version, IMAGE, SECRETS))


@pytest.fixture(scope="module")
def project():
    """The published file of the defaults, as YAML."""
    return yaml.safe_load(published())


def test_equal_settings_give_equal_bytes():
    """Publishing twice gives one digest."""
    assert published() == published()


def test_every_service_waits_for_init_and_nothing_else_is_new(project):
    """The same services as rendered, each behind the one-shot service."""
    rendered = yaml.safe_load(plan_stack(PlanInputs(StackSettings(), PROFILES)).file("compose.yaml").content)
    assert set(project["services"]) == {"init", *rendered["services"]}
    for name, service in project["services"].items():
        if name != "init":
            assert service["depends_on"]["init"] == {"condition": "service_completed_successfully"}, name


def test_the_hardening_of_the_rendered_stack_is_carried_over(project):
    """No service is weaker than where it was rendered."""
    rendered = yaml.safe_load(plan_stack(PlanInputs(StackSettings(), PROFILES)).file("compose.yaml").content)
    for name, service in rendered["services"].items():
        for key in ("user", "read_only", "cap_drop", "security_opt", "tmpfs", "healthcheck", "networks", "profiles"):
            assert project["services"][name].get(key) == service.get(key), (name, key)


def test_nothing_lies_beside_it(project):
    """No build, env_file, include, file-backed config or relative bind: Compose would resolve them in its cache."""
    text = published().decode()
    assert "include" not in project
    for service in project["services"].values():
        assert not {"build", "env_file", "extends"} & set(service)
        for mount in service.get("volumes", []):
            source = mount if isinstance(mount, str) else mount["source"]
            assert not source.startswith((".", "~")), source
    assert all(set(config) == {"content"} for config in project["configs"].values())
    assert not any(stand_in in text for stand_in in VARIABLES)


def test_the_domain_is_the_one_value_that_must_be_given():
    """Every other variable has a default."""
    text = published().decode()
    required = set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", text))
    others = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)(?::-[^}]*)?\}", text))
    assert required == {"SERVICE_DOMAIN"}
    assert others == {
        "CERTS_DIR", "COMPOSE_PROJECT_NAME", "HTTPS_PORT", "HTTP_PORT", "REGISTRY_ADMIN_USER", "REGISTRY_VERSION",
        "SECRETS_DIR", "STORAGE_DIR", "PROMETHEUS_PORT", "GRAFANA_PORT",
    }  # fmt: skip


def test_no_dollar_of_a_configuration_is_left_for_compose(project):
    """Unescaped, nginx's $request_uri would become an empty string."""
    for name, config in project["configs"].items():
        rest = config["content"].replace("$$", "")
        for variable in VARIABLES.values():
            rest = rest.replace(variable, "")
        assert "$" not in rest, name


def test_every_rendered_configuration_arrives_unchanged():
    """Undo what Compose undoes, and the files are those of the plan."""
    plan = plan_stack(PlanInputs(for_anyone(StackSettings(), registry_image=IMAGE), PROFILES))
    project = yaml.safe_load(self_contained(plan, Publication("1.0", IMAGE, SECRETS)))
    targets = {one["source"]: one["target"] for one in project["services"]["init"]["configs"]}
    for name, config in project["configs"].items():
        content = config["content"]
        for stand_in, variable in VARIABLES.items():
            content = content.replace(variable, stand_in)
        path = targets[name].removeprefix("/stack/incoming/")
        assert content.replace("$$", "$").encode() == plan.file(path).content, path


def test_every_mounted_subfolder_is_one_that_init_fills(project):
    """A missing subpath would keep the container from starting."""
    init = project["services"]["init"]
    folders = {one["target"].removeprefix("/stack/incoming/").partition("/")[0] for one in init["configs"]}
    folders |= {path.partition("/")[0] for path in SECRETS}
    for name, service in project["services"].items():
        for mount in service.get("volumes", []):
            if isinstance(mount, dict) and "subpath" in mount.get("volume", {}):
                assert mount["volume"]["subpath"] in folders, (name, mount)


def test_a_changed_configuration_changes_its_name_and_the_label_of_those_who_mount_it():
    """Else Compose would keep the old container (docker/compose#13045)."""
    before, after = (yaml.safe_load(published(StackSettings(log_level=level))) for level in ("info", "debug"))
    assert set(before["configs"]) != set(after["configs"])
    labels = [one["services"]["nginx"]["labels"]["stackgen.config"] for one in (before, after)]
    assert labels[0] != labels[1]


def test_nothing_of_the_publishers_host_is_published():
    """Names, ports, folders and users of whoever publishes stay at home."""
    settings = StackSettings(
        service_domain="secret-host.example.org", https_port=7443, http_port=7080, bind_address="192.0.2.99",
        storage_dir="/srv/our-images", certs_dir="/etc/our-certs", registry_admin_user="our-admin",
        registry_external_url="https://our-gateway.example.org", secrets_gid=4242, registry_user="4243:4243",
        prometheus_alertmanager="our-alerts.example.org:9093", grafana_admin_user="our-grafana-admin",
        cadvisor_docker_socket=True, compose_project_name="our-project",
    )  # fmt: skip
    text = published(settings).decode()
    for value in ("secret-host", "7443", "7080", "192.0.2.99", "our-images", "our-certs", "our-admin", "our-gateway",
                  "4242", "4243", "our-alerts", "our-grafana-admin", "docker.sock", "our-project"):  # fmt: skip
        assert value not in text, value


def test_a_digest_that_holds_the_digits_of_a_stand_in_stays_as_it_is():
    """One in some hundred sets of pins does."""
    digests = [f"sha256:{place:0<64}" for place in ("61439", "ab61438", "f" * 59 + "61437")]
    images = images_of(PROFILES)
    pins = {image: digests[number % len(digests)] for number, image in enumerate(images)}
    image = f"registry.example.com/stack/registry@{digests[0]}"
    plan = plan_stack(PlanInputs(for_anyone(StackSettings(), registry_image=image), PROFILES, pins))
    project = yaml.safe_load(self_contained(plan, Publication("1.0", image, SECRETS)))
    shown = {service["image"] for service in project["services"].values()}
    rendered = {service["image"] for service in yaml.safe_load(plan.file("compose.yaml").content)["services"].values()}
    assert shown == rendered
    assert {one.rpartition("@")[2] for one in shown} == set(digests)


def test_tuning_that_is_a_stand_in_itself_is_refused():
    """Rather than published as another value."""
    with pytest.raises(StackgenError, match="STORAGE_RESERVE=61439"):
        published(StackSettings(storage_reserve="61439"))


def test_the_stand_ins_are_in_no_file_of_ours():
    """They could not be told from a value otherwise."""
    for one in plan_stack(PlanInputs(StackSettings(), PROFILES)).files:
        assert not any(stand_in.encode() in one.content for stand_in in VARIABLES), one.path


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"type": "bind", "source": "./elsewhere", "target": "/x", "read_only": True}, "can't carry"),
        ({"type": "bind", "source": "./nginx", "target": "/x"}, "can't carry"),
        ("./nginx:/x:ro", "short form"),
    ],
)
def test_a_mount_that_can_not_travel_is_refused(mount, words):
    """A consumer would meet an empty folder."""
    compose = {"name": "x", "services": {"web": {"image": IMAGE, "volumes": [mount]}}}
    plan = StackPlan((PlannedFile("nginx/a.conf", b"a"), PlannedFile("compose.yaml", yaml.safe_dump(compose).encode())))
    with pytest.raises(StackgenError, match=words):
        self_contained(plan, Publication("1", IMAGE))


@given(text=st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: not any(s in t for s in VARIABLES)))
def test_any_text_survives_the_way_through_yaml_and_compose(text):
    """Quotes, dollars, colons, hashes, unicode."""
    mount = {"type": "bind", "source": "./conf", "target": "/x", "read_only": True}
    compose = {"name": "x", "services": {"web": {"image": IMAGE, "volumes": [mount]}}}
    plan = StackPlan(
        (PlannedFile("conf/a", text.encode()), PlannedFile("compose.yaml", yaml.safe_dump(compose).encode()))
    )
    project = yaml.safe_load(self_contained(plan, Publication("1", IMAGE)))
    (config,) = project["configs"].values()
    assert config["content"].replace("$$", "$") == text
