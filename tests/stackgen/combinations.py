"""Stacks in which every two options meet in every way: the all-pairs set of what changes the shape of a stack."""

from itertools import combinations, product

from stackgen.dotenv import quote
from stackgen.env_file import read_settings
from stackgen.planning import PlanInputs, plan_stack

OPTIONS = {
    "SERVICE_DOMAIN": ["localhost", "registry.example.com", "192.0.2.7", "2001:db8::7"],
    "PROXY": ["nginx", "none"],
    "TLS": ["local", "own"],
    "HSTS": ["false", "true"],
    "HTTP_PORT": ["8080", "0"],
    "HTTPS_PORT": ["8443", "443"],
    "BIND_ADDRESS": ["", "127.0.0.1", "::1"],
    "REGISTRY_EXTERNAL_URL": ["", "https://images.example.com", "https://[2001:db8::9]:444"],
    "STORAGE_DIR": ["", "/srv/a b$c\"d'e#f:ü", "./images"],
    "CERTS_DIR": ["./certs", "/etc/pki/a b$c"],
    "CONFIGS_DIR": ["./config", "/etc/registry/a b$c"],
    "REGISTRY_IMAGE": ["", "registry.example.com/stackgen/registry:1.0"],
    "REGISTRY_USER": ["10001:10001", "1000:1000"],
    "SECRETS_GID": ["10001", "1000"],
    "LOG_FORMAT": ["json", "text"],
    "LOG_LEVEL": ["info", "debug"],
    "COMPOSE_PROFILES": ["", "observability"],
    "PROMETHEUS_ALERTMANAGER": ["", "alerts.example.com:9093", "[2001:db8::9]:9093"],
    "CADVISOR_DOCKER_SOCKET": ["false", "true"],
    "BUILD_EXTRA_CA": ["", "/etc/ssl/certs/ca-certificates.crt"],
    "BUILD_HTTPS_PROXY": ["", "http://proxy.example.com:3128"],
    "BUILD_NO_PROXY": ["", "a,$b c"],
    "BUILD_PIP_INDEX_URL": ["", "https://pypi.example.com/simple"],
}

# Those that change what a container finds: its user, its mounts, its ports, the files that it reads.
SEEN_INSIDE = {
    "SERVICE_DOMAIN": ["localhost", "registry.example.com", "192.0.2.7", "2001:db8::7"],
    "PROXY": ["nginx", "none"],
    "TLS": ["local", "own"],
    "HSTS": ["false", "true"],
    "HTTP_PORT": ["free", "0"],
    "BIND_ADDRESS": ["", "127.0.0.1", "::1"],
    "REGISTRY_EXTERNAL_URL": ["", "https://[2001:db8::9]:444"],
    "STORAGE_DIR": ["", "outside", "./images"],
    "CERTS_DIR": ["./certs", "outside"],
    "CONFIGS_DIR": ["./config", "outside"],
    "REGISTRY_USER": ["10001:10001", "1000:1000"],
    "SECRETS_GID": ["10001", "1000"],
    "LOG_FORMAT": ["json", "text"],
    "LOG_LEVEL": ["info", "debug"],
    "REGISTRY_STORAGE_DELETE_ENABLED": ["true", "false"],
    "TRUSTED_PROXIES": ["", "192.0.2.0/24,2001:db8::/64"],
    "REGISTRY_WORKERS": ["2", "1"],
    "COMPOSE_PROFILES": ["", "observability"],
    "PROMETHEUS_PORT": ["free", "0"],
    "PROMETHEUS_ALERTMANAGER": ["", "alerts.example.com:9093"],
}


def all_pairs(options=OPTIONS):
    """Settings, greedily few, that hold every pair of two options' values."""
    names = list(options)
    missing = {
        ((a, x), (b, y)) for a, b in combinations(names, 2) for x, y in product(options[a], options[b])
    }  # fmt: skip
    chosen = []
    while missing:
        one = dict(min(missing))
        for name in (name for name in names if name not in one):
            one[name] = max(options[name], key=lambda value: _gain(missing, one, (name, value)))
        missing -= set(combinations([(name, one[name]) for name in names], 2))
        chosen.append(one)
    return chosen


def _gain(missing, one, pair):
    """How many missing pairs a further value would bring."""
    return sum(((other, pair) in missing) or ((pair, other) in missing) for other in one.items())


def plan_of(values):
    """The plan of a stack with these settings, as `.env` would hold them."""
    read = read_settings(env_of(values))
    assert read.settings is not None, read.problems
    return plan_stack(PlanInputs(read.settings))


def env_of(values):
    """The text of `.env`."""
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def write_plan_to(folder, values):
    """Every planned file below a folder, with `.env` beside them."""
    for one in plan_of(values).files:
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
    (folder / ".env").write_text(env_of(values))
    return folder
