"""Settings files as no person writes them: every field with values good, odd and hostile."""

from hypothesis import strategies as st

from stackgen.env_file import NAMES

HOSTILE = (
    "", " ", "x", "a b", "a'b", 'a"b', "a\\", "\\", "$HOME", "${HOME}", "$$", "#", "a #b", "a: b", "- a", "{{7*7}}", "{% x %}",
    "!!python/object:os.system", "*alias", "&anchor", "a;b", "a}b{", "\n", "a\nb: c", "\t", "ü", "日本", "🐳", "\u2028", "\x85",
    "\x7f", "null", "true", "yes", "0x10", "1e3", "~", "..", "../..", "/", "%s", "fe80::1%x;}", "x:1", "`id`", "$(id)", "a|b", "\ufeff", "\r", "-",
)  # fmt: skip
GOOD = {
    "COMPOSE_PROJECT_NAME": ["a", "team-registry", "x_1"],
    "COMPOSE_PROFILES": ["observability", "a,b"],
    "SECRETS_GID": ["0", "1000", "10001"],
    "SERVICE_DOMAIN": ["localhost", "registry.example.com", "192.0.2.7", "2001:db8::7", "xn--bcher-kva.example"],
    "REGISTRY_EXTERNAL_URL": [
        "https://registry.example.com",
        "https://r.example.com:8443",
        "https://[2001:db8::1]:5000",
    ],
    "BIND_ADDRESS": ["127.0.0.1", "::1", "192.0.2.1"],
    "HTTPS_PORT": ["1", "443", "8443", "65535"],
    "HTTP_PORT": ["0", "80", "8080"],
    "TRUSTED_PROXIES": ["10.0.0.0/8", "192.0.2.7,2001:db8::/32"],
    "PROXY": ["nginx", "none"],
    "TLS": ["local", "own"],
    "CERTS_DIR": ["./certs", "certs", "/etc/pki/a b", "/srv/ü$x\"y'z#: w"],
    "HSTS": ["true", "false"],
    "STORAGE_DIR": ["/srv/registry", "/srv/a b", "/srv/ü$x\"y'z#: w\\q", "./data"],
    "REGISTRY_STORAGE_DELETE_ENABLED": ["true", "false"],
    "STORAGE_RESERVE": ["1GiB", "512M", "1000"],
    "UPLOAD_PURGE_AGE": ["168h", "1d"],
    "GC_INTERVAL": ["24h", "30m"],
    "GC_GRACE": ["1h"],
    "GC_TRASH": ["24h"],
    "GC_UNTAGGED": ["true", "false"],
    "SCRUB_INTERVAL": ["168h"],
    "SCRUB_RATE": ["20MiB"],
    "REGISTRY_ADMIN_USER": ["admin", "a.b@c", "Ann Müller $x"],
    "REGISTRY_IMAGE": ["registry.example.com/a/b:1", "localhost:5000/x@sha256:" + "0" * 64, "a/b"],
    "REGISTRY_VERSION": ["1.0", "latest"],
    "REGISTRY_USER": ["10001:10001", "1000:1000"],
    "CONFIGS_DIR": ["./config", "conf/registry", "/etc/registry"],
    "REGISTRY_WORKERS": ["1", "4"],
    "REGISTRY_THREADS": ["2", "200"],
    "SPARSE_INDEXES": ["true", "false"],
    "LOG_LEVEL": ["debug", "info", "warn", "error"],
    "LOG_FORMAT": ["json", "text"],
    "BUILD_EXTRA_CA": ["/etc/ssl/certs/ca-certificates.crt", "./ca $x.pem"],
    "BUILD_HTTP_PROXY": ["http://proxy.example.com:3128"],
    "BUILD_HTTPS_PROXY": ["http://proxy.example.com:3128"],
    "BUILD_NO_PROXY": ["localhost,.example.com", "a b$c"],
    "BUILD_PIP_INDEX_URL": ["https://pypi.example.com/simple"],
    "REGISTRY_MEMORY": ["1GiB"],
    "NGINX_MEMORY": ["512MiB"],
    "LOG_MAX_SIZE": ["10MiB"],
    "LOG_MAX_FILES": ["1", "9"],
    "PROMETHEUS_PORT": ["0", "9090"],
    "PROMETHEUS_RETENTION": ["720h", "90d"],
    "PROMETHEUS_RETENTION_SIZE": ["4GiB"],
    "PROMETHEUS_MEMORY": ["768MiB"],
    "PROMETHEUS_ALERTMANAGER": ["alerts.example.com:9093", "192.0.2.9:9093", "[2001:db8::9]:9093"],
    "GRAFANA_PORT": ["0", "3000"],
    "GRAFANA_ADMIN_USER": ["admin", "a.b@c"],
    "GRAFANA_MEMORY": ["512MiB"],
    "CADVISOR_DOCKER_SOCKET": ["true", "false"],
}


def good_values(name):
    """Values that a setting takes; its default at least."""
    return GOOD.get(name, [""])


TEXT = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
)
MIXED = st.tuples(TEXT, TEXT).map("".join)


def settings_files(hostile=True):
    """Name to value for some of the settings."""

    def value(name):
        good = st.sampled_from(good_values(name))
        return st.one_of(good, good, good, MIXED) if hostile else good

    return st.fixed_dictionaries({}, optional={name: value(name) for name in NAMES})
