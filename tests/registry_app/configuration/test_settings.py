"""`config.yml` of v2 and v3, the overrides from the environment, and what is said about what can't be served."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.configuration import ConfigurationError, find_configuration, load_settings, parse_settings
from registry_app.configuration.quantities import parse_duration, parse_size

V2_IMAGE = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""
V3_IMAGE = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
  debug:
    addr: :5001
    prometheus:
      enabled: true
      path: /metrics
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""
SMALLEST = "version: 0.1\nstorage: filesystem\n"


def settings(text=SMALLEST, **environ):
    """Settings of a text and an environment."""
    return parse_settings(text, name="config.yml", environ=environ)


def problems(text=SMALLEST, **environ):
    """What stands in the way of starting with a text and an environment."""
    with pytest.raises(ConfigurationError) as caught:
        settings(text, **environ)
    return caught.value.problems


def test_the_configuration_in_the_image_of_registry_2_means_what_it_meant():
    """Its port, folder and headers, no deletes, and nothing to complain about."""
    found = settings(V2_IMAGE)
    assert (found.http.address.host, found.http.address.port) == ("", 5000)
    assert found.storage.root == Path("/var/lib/registry")
    assert found.storage.delete_enabled is False
    assert found.http.headers == (("X-Content-Type-Options", "nosniff"),)
    assert found.log.fields == (("service", "registry"),)
    assert (found.purge.enabled, found.purge.age, found.purge.interval) == (True, 168 * 3600, 24 * 3600)
    assert found.notices == ()


def test_the_configuration_in_the_image_of_registry_3_means_what_it_means():
    """Deletes and the debug listener with metrics are on."""
    found = settings(V3_IMAGE)
    assert found.storage.delete_enabled is True
    assert (found.http.debug.address.port, found.http.debug.metrics) == (5001, True)
    assert found.notices == ()


def test_our_own_keys_are_read_below_stackgen():
    """Units and networks are parsed."""
    found = settings(
        SMALLEST
        + """
stackgen:
  workers: 3
  reserve: 2GiB
  accel_redirect: /_blobs/
  trusted_proxies: [172.16.0.0/12, 10.0.0.1]
  gc: {interval: 12h, grace: 30m, untagged: true}
  scrub: {rate: 5MB}
"""
    )
    assert (found.workers, found.storage.reserve, found.http.accel_redirect) == (3, 2 << 30, "/_blobs/")
    assert found.http.trusted_proxies == (ip_network("172.16.0.0/12"), ip_network("10.0.0.1/32"))
    assert (found.collection.interval, found.collection.grace, found.collection.untagged) == (43200, 1800, True)
    assert found.scrub.rate == 5_000_000


@pytest.mark.parametrize(
    ("environ", "look", "expected"),
    [
        (
            {"REGISTRY_HTTP_ADDR": "127.0.0.1:5005"},
            lambda s: (s.http.address.host, s.http.address.port),
            ("127.0.0.1", 5005),
        ),
        ({"REGISTRY_STORAGE_DELETE_ENABLED": "true"}, lambda s: s.storage.delete_enabled, True),
        ({"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/data"}, lambda s: s.storage.root, Path("/data")),
        (
            {
                "REGISTRY_AUTH": "htpasswd",
                "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/h",
                "REGISTRY_AUTH_HTPASSWD_REALM": "R 1",
            },
            lambda s: (s.htpasswd.path, s.htpasswd.realm),
            (Path("/auth/h"), "R 1"),
        ),
        ({"REGISTRY_AUTH": "{htpasswd: {realm: r, path: /p}}"}, lambda s: s.htpasswd.realm, "r"),
        ({"REGISTRY_AUTH": "none"}, lambda s: s.htpasswd, None),
        ({"REGISTRY_LOG_LEVEL": "debug"}, lambda s: s.log.level, "debug"),
        ({"REGISTRY_LOG_ACCESSLOG_DISABLED": "true"}, lambda s: s.log.access, False),
        ({"REGISTRY_LOG_FIELDS_SITE": "b"}, lambda s: s.log.fields, (("site", "b"),)),
        ({"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": true}'}, lambda s: s.storage.read_only, True),
        ({"REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE": "24h"}, lambda s: s.purge.age, 86400),
        ({"REGISTRY_STORAGE": "{filesystem: {rootdirectory: /x}}"}, lambda s: s.storage.root, Path("/x")),
        ({"REGISTRY_HTTP_HEADERS": "{X-A: [b, c]}"}, lambda s: s.http.headers, (("X-A", "b"), ("X-A", "c"))),
        ({"REGISTRY_HTTP_HEADERS_X-A": "[b]"}, lambda s: s.http.headers, (("x-a", "b"),)),
        (
            {
                "REGISTRY_HTTP_TLS_CERTIFICATE": "/c",
                "REGISTRY_HTTP_TLS_KEY": "/k",
                "REGISTRY_HTTP_TLS_CLIENTCAS_0": "/a",
            },
            lambda s: (s.http.tls.certificate, s.http.tls.client_authorities),
            (Path("/c"), (Path("/a"),)),
        ),
        ({"REGISTRY_STACKGEN_HTTP_SECRET_FILE": "/s"}, lambda s: s.http.secret_file, Path("/s")),
        (
            {"REGISTRY_STACKGEN_TRUSTED_PROXIES_0": "10.0.0.0/8"},
            lambda s: s.http.trusted_proxies,
            (ip_network("10.0.0.0/8"),),
        ),
        ({"REGISTRY_HTTP_SECRET": "123456"}, lambda s: s.http.secret, "123456"),
        ({"REGISTRY_CATALOG_MAXENTRIES": "5"}, lambda s: s.catalog_most, 5),
        ({"REGISTRY_CATALOG_MAXENTRIES": "-1"}, lambda s: s.catalog_most, 1000),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_variable_overrides_the_key_that_it_names(environ, look, expected):
    """Names are split on `_` and matched to upper-cased keys; values are YAML."""
    found = settings(**environ)
    assert look(found) == expected
    assert found.notices == ()


def test_the_longer_name_wins_whatever_the_order_of_the_environment():
    """REGISTRY_STORAGE is applied before REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY."""
    found = settings(
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="/b", REGISTRY_STORAGE="{filesystem: {rootdirectory: /a}}"
    )
    assert found.storage.root == Path("/b")


def test_a_variable_that_names_nothing_is_a_warning():
    """Kubernetes sets REGISTRY_PORT and friends for a service of that name; the service starts all the same."""
    found = settings(REGISTRY_PORT="tcp://10.0.0.1:5000", REGISTRY_CONFIGURATION_PATH="/x")
    assert [notice.split(":")[0] for notice in found.notices] == ["REGISTRY_PORT"]


def test_an_unknown_key_is_a_warning_with_line_and_proposal():
    """Upstream ignores it in silence; a typing mistake deserves a word."""
    (notice,) = settings(SMALLEST + "htpp:\n  addr: :1\n").notices
    assert notice == "config.yml line 4: unknown key htpp is ignored; did you mean http?"


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("version: 0.2\nstorage: filesystem\n", {}, "version"),
        ("storage: filesystem\n", {}, "version"),
        ("version: 0.1\n", {}, "no driver"),
        ("version: 0.1\nstorage: {delete: {enabled: true}}\n", {}, "no driver"),
        ("version: 0.1\nstorage: {s3: {bucket: b}}\n", {}, "s3 driver is not supported"),
        ("version: 0.1\nstorage: {filesystem: {}, s3: {bucket: b}}\n", {}, "more than one driver"),
        ("version: 0.1\nstorage: floppy\n", {}, "unknown driver floppy"),
        (SMALLEST, {"REGISTRY_STORAGE_FLOPPY_SIZE": "1"}, "more than one driver (filesystem, floppy)"),
        (SMALLEST + "auth: {token: {realm: r}}\n", {}, "external token server"),
        (SMALLEST + "auth: {htpasswd: {path: /p}, token: {realm: r}}\n", {}, "more than one type"),
        (SMALLEST + "auth: {htpasswd: {realm: r}}\n", {}, "auth.htpasswd.path"),
        (SMALLEST + "auth: {silly: {realm: r}}\n", {}, "silly"),
        (SMALLEST + "proxy: {remoteurl: 'https://x.example'}\n", {}, "pull-through"),
        (SMALLEST + "http: {tls: {letsencrypt: {cachefile: /c, email: a@b.c}}}\n", {}, "ACME client"),
        (SMALLEST, {"REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE": "/c"}, "ACME client"),
        ("version: 0.1\nstorage: {s3: {bucket: ''}}\n", {}, "s3 driver is not supported"),
        (SMALLEST + "auth: {token: {realm: ''}}\n", {}, "external token server"),
        (SMALLEST, {"REGISTRY_AUTH_TOKEN_REALM": ""}, "external token server"),
        (SMALLEST + "http: {tls: {certificate: /c}}\n", {}, "a certificate needs a key"),
        (SMALLEST + "http: {addr: nowhere}\n", {}, "no address"),
        (SMALLEST + "http: {addr: [1]}\n", {}, "config.yml line 3: http.addr: expected text"),
        (SMALLEST + "log: {level: loud}\n", {}, "no level"),
        (SMALLEST + "http: {debug: {addr: ':1', prometheus: {path: metrics}}}\n", {}, "one like /metrics"),
        (SMALLEST + "http: {debug: {addr: ':1', prometheus: {path: '/{x}'}}}\n", {}, "one like /metrics"),
        (SMALLEST + "stackgen: {reserve: lots}\n", {}, "no size"),
        (SMALLEST + "stackgen: {workers: 0}\n", {}, "too small"),
        (SMALLEST + "stackgen: {threads: 99999999999999999999}\n", {}, "too large"),
        (SMALLEST + "http: {headers: {'X Y': [z]}}\n", {}, "can't be sent as a header"),
        (SMALLEST + 'http: {headers: {X-Y: ["a\\r\\nb"]}}\n', {}, "can't be sent as a header"),
        (SMALLEST + "auth: {none: {}, htpasswd: {path: /p}, silly: {}}\n", {}, "more than one type (htpasswd, silly)"),
        (SMALLEST + "stackgen: {trusted_proxies: [moon]}\n", {}, "trusted_proxies"),
        (SMALLEST + "log: 3\n", {}, "line 3: log: expected a mapping"),
        (SMALLEST + "log: {}\nlog: {}\n", {}, "twice"),
        (SMALLEST + "log: [\n", {}, "not valid YAML"),
        (SMALLEST, {"REGISTRY_STORAGE_DELETE_ENABLED": "perhaps"}, "REGISTRY_STORAGE_DELETE_ENABLED"),
        (SMALLEST, {"REGISTRY_HTTP_TLS_CLIENTCAS_7": "/a"}, "no index"),
        (SMALLEST, {"REGISTRY_HTTP_HEADERS": "{"}, "REGISTRY_HTTP_HEADERS: not valid YAML"),
    ],
)
def test_what_cannot_be_served_is_refused_with_place_and_reason(text, environ, words):
    """Each message names the key or variable and what to write instead."""
    assert any(words in problem for problem in problems(text, **environ)), problems(text, **environ)


@pytest.mark.parametrize(
    "section",
    [
        "http: {net: ''}",
        "http: {addr: '', host: '', prefix: '', secret: '', debug: {}}",
        "http: {tls: {letsencrypt: {}}}",
        "http: {tls: {letsencrypt: {cachefile: '', email: '', hosts: []}}}",
        "http: {tls: {certificate: '', key: '', minimumtls: '', clientauth: '', clientcas: []}}",
        "http: {tls: {certificate: /c, key: /k, minimumtls: '', clientauth: ''}}",
        "log: {formatter: '', hooks: []}",
        "notifications: {}",
        "middleware: {}",
        "auth: {}",
        "policy: {}",
    ],
)
def test_what_is_empty_is_as_what_is_not_there(section):
    """Tools that write every key of upstream's, with nothing behind most of them, are understood in silence."""
    assert settings(SMALLEST + section + "\n").notices == ()


@pytest.mark.parametrize("section", ["{}", "{remoteurl: ''}", "{username: u, password: p}"])
def test_an_empty_section_for_a_proxy_asks_for_none(section):
    """As upstream has it: without a remoteurl it is a registry as any other."""
    assert settings(SMALLEST + f"proxy: {section}\n").notices == ()


def test_all_problems_are_told_at_once():
    """Nobody mends one line at a time."""
    found = problems("version: 0.1\nstorage: {s3: {}}\nlog: {level: loud}\nhttp: {addr: x}\n")
    assert len(found) == 3


@pytest.mark.parametrize(
    ("public", "debug", "meet"),
    [
        ("0.0.0.0:5001", "127.0.0.1:5001", True),
        (":5000", ":5000", True),
        ("127.0.0.1:5001", "127.0.0.1:5001", True),
        ("10.0.0.1:5001", "127.0.0.1:5001", False),
        (":5000", ":5001", False),
    ],
)
def test_where_the_public_port_takes_that_of_the_debug_listener_the_service_starts_without(public, debug, meet):
    """`-e REGISTRY_HTTP_ADDR=0.0.0.0:5001`, typed for registry:2, is served; the warning says what is not."""
    found = settings(SMALLEST + f"http: {{debug: {{addr: '{debug}'}}}}\n", REGISTRY_HTTP_ADDR=public)
    assert (found.http.debug is None) == meet
    assert any("REGISTRY_HTTP_DEBUG_ADDR" in notice for notice in found.notices) == meet


def test_of_a_file_that_is_no_yaml_nothing_else_is_said():
    """Its version is not missing."""
    (problem,) = problems(SMALLEST + "log:\n\tlevel: info\n")
    assert problem.startswith("config.yml line 4: not valid YAML")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("redis: {addr: 'r:6379'}", None),
        ("http: {http2: {disabled: true}}", None),
        ("notifications: {endpoints: [{name: a, url: 'http://x'}]}", "notifications is ignored"),
        ("middleware: {registry: [{name: a}]}", "middleware is ignored"),
        ("middleware: {registry: [{name: a, disabled: true}]}", None),
        ("proxy: {remoteurl: ''}", None),
        ("compatibility: {schema1: {enabled: true}}", "schema 1"),
        ("log: {hooks: [{type: mail, disabled: true}]}", None),
        ("validation: {disabled: true}", "manifests are always validated"),
        ("http: {tls: {letsencrypt: {email: a@b.c, hosts: [h]}}}", "ACME client"),
        ("http: {host: 'registry.example.com:5000'}", "as in https://registry.example.com:5000"),
    ],
)
def test_what_is_left_out_is_said_once_and_only_when_it_was_asked_for(extra, words):
    """A section that is off, or that tunes what does not exist here, is no reason for a warning."""
    notices = settings(SMALLEST + extra + "\n").notices
    assert (not notices) if words is None else any(words in notice for notice in notices)


def test_the_old_name_of_the_log_level_counts():
    """`loglevel` was its name before `log.level`."""
    assert settings(SMALLEST + "loglevel: debug\n").log.level == "debug"


def test_the_configuration_is_found_by_argument_then_variable(tmp_path):
    """As upstream's command line does it."""
    assert find_configuration("/a.yml", {"REGISTRY_CONFIGURATION_PATH": "/b.yml"}) == Path("/a.yml")
    assert find_configuration(None, {"REGISTRY_CONFIGURATION_PATH": "/b.yml"}) == Path("/b.yml")


HIDDEN = """
mount -t tmpfs none /etc && mkdir -p /etc/docker/registry /etc/distribution
echo "$0" >/etc/distribution/config.yml && echo "$0" >/etc/docker/registry/config.yml && chmod 700 /etc/docker
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_usual_place_that_may_not_be_looked_at_is_not_passed_over():
    """For the next one, which may know of no users."""
    other = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {Path.cwd()}}}}}"
    command = ["unshare", "--mount", "sh", "-c", HIDDEN, other, sys.executable, "-m", "registry_app", "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.startswith("configuration error: /etc/docker/registry/config.yml: Permission denied")
    assert done.returncode == 1


def test_a_missing_file_is_named(tmp_path):
    """With its path, and without a traceback."""
    with pytest.raises(ConfigurationError, match=r"nothing\.yml: No such file"):
        load_settings(tmp_path / "nothing.yml", {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("168h", 604800), ("1h30m", 5400), ("1.5s", 1.5), ("300ms", 0.3), ("0", 0), ("5000000000", 5)]
)
def test_durations_are_written_as_in_go(text, seconds):
    """A bare number counts nanoseconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "5 m", "h", "1d", "-1s"])
def test_what_is_no_duration_is_refused(text):
    """A bare 1 is a nanosecond, all others are errors."""
    if text == "1":
        assert parse_duration(text) < 1e-6
    else:
        with pytest.raises(ValueError, match="duration"):
            parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("1GB", 10**9), ("20m", 20_000_000), ("7", 7), ("9B", 9)]
)
def test_sizes_know_both_kinds_of_prefixes(text, size):
    """GiB is 1024 based, GB 1000 based."""
    assert parse_size(text) == size


@given(
    st.text(max_size=200),
    st.dictionaries(st.from_regex(r"REGISTRY(_[A-Z0-9]{0,8}){1,5}", fullmatch=True), st.text(max_size=30), max_size=4),
)
def test_whatever_is_written_gives_settings_or_named_problems(text, environ):
    """Never another exception, whatever the file and the environment hold."""
    for body in (text, SMALLEST + text, SMALLEST):
        with suppress(ConfigurationError):
            assert parse_settings(body, name="config.yml", environ=environ).source == "config.yml"


@pytest.mark.parametrize(
    "text",
    [
        f"{SMALLEST}log: {{fields: {{a: !!bool xyz}}}}\n",
        f'{SMALLEST}log: {{fields: {{a: !!int "-"}}}}\n',
        f"{SMALLEST}log: {{fields: {{a: !!timestamp foo}}}}\n",
        f"{SMALLEST}log: {{<<: 5}}\n",
        "[" * 3000,
    ],
)
def test_yaml_that_means_nothing_is_a_problem_with_its_place(text):
    """Never an exception of the reader's own."""
    assert problems(text)[0].startswith("config.yml")
