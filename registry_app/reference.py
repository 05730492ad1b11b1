"""The reference pages of the service, made from its own tables: `python -m registry_app.reference docs/reference`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.configuration.document import NOT_OVERRIDES
from registry_app.configuration.schema import CONFIGURATION, Key, ListOf, MapOf, Struct, Verdict
from registry_app.errors import ErrorCode
from registry_app.http.routes import PUBLIC, ROUTES
from registry_app.metrics.definitions import DEFINITIONS, AtMost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.metrics.definitions import Definition

MADE = "<!-- Made by `python -m registry_app.reference docs/reference`: change the code, not this page. -->\n\n"


def endpoints_page() -> str:
    """Every address with its methods and the right that each asks for."""
    lines = [
        "# Registry endpoints\n",
        "`<name>` may hold slashes. GET serves HEAD too. The right is what an access file grants (`login`: any user);",
        "without htpasswd everyone has every right. (`end-N` is the specification's number.)\n",
        "| address | method | right | what |",
        "|---|---|---|---|",
    ]
    for route in ROUTES:
        address = route.template.replace("{repository}", "<name>").replace("{", "<").replace("}", ">")
        for method, right in route.methods.items():
            asked = "none" if right is PUBLIC else right.value
            lines.append(f"| `{address}` | {method} | {asked} | {route.summary} |")
    lines += [
        "\nThe internal listener (`http.debug.addr`) serves `/healthz` (the process answers), `/debug/health` (the",
        "tree can be read), `/debug/ready` (it can be written too) and, if asked for, the metrics.",
        "The last two answer `{}`, or 503 with a reason for each failed check. Two reasons of `/debug/ready` are",
        "notes, which leave it 200: `index`, while that is made anew (lists are right and slower), and `http_secret`,",
        "while its file can't be used (the last good secret signs, after a start a random one).",
        "`registry health` asks both and prints the reasons.",
    ]
    return MADE + "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every error code with its status and default text."""
    lines = [
        "# Registry errors\n",
        'An error is `{"errors":[{"code":…,"message":…,"detail":…}]}` with the type `application/json`.',
        "`X-Request-Id` of the response is in the log of nginx and of the registry.\n",
        "| code | status | message |",
        "|---|---|---|",
        *(f"| `{code.name}` | {code.status} | {code.message} |" for code in ErrorCode),
    ]
    return MADE + "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every key of config.yml with its variable, default and meaning, and what is done about upstream's others."""
    leaves = list(_leaves(CONFIGURATION, ()))
    used = [leaf for leaf in leaves if leaf[1].verdict is Verdict.USED]
    lines = [
        "# Registry settings\n",
        "`config.yml` of registry:2 and registry:3, with our own keys below `stackgen:`, which upstream ignores. A",
        "variable overrides its key; its value is YAML. A list's items are `…_0`, `…_1`; a mapping's are `…_NAME`.",
        "Durations are written `30s`, `15m`, `168h`; sizes `512MiB`, `1GiB`.\n",
        "| key | variable | kind | default | what |",
        "|---|---|---|---|---|",
        *(
            f"| `{'.'.join(path)}` | {_shown(variable)} | {_kind(key)} | {_shown(key.default)} | {key.help} |"
            for path, key, variable in used
        ),
        "\n## Keys of upstream that do nothing here\n",
        "*Refused* stops the start, for the service would not be what was asked for; *unsupported* is a warning at",
        "start; *needless* is accepted in silence.\n",
        "| key | | why, or what to do instead |",
        "|---|---|---|",
        *(
            f"| `{'.'.join(path)}` | {key.verdict.name.lower()} | {key.help} |"
            for path, key, _ in leaves
            if key.verdict is not Verdict.USED
        ),
    ]
    return MADE + "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric with its kind, its labels and the bound on its series."""
    lines = [
        "# Registry metrics\n",
        "Served on the internal listener (`http.debug.prometheus`), for Prometheus. *Counted* over all workers as it",
        "happens, or *read* at each scrape. No client can make more series than the bound says.\n",
        "`registry_http_*` have distribution's names, labels and buckets. Its size histograms, its cache and driver",
        "metrics are left out: they have no counterpart here, or cost more than they tell; for bytes there are",
        "`registry_pushed_bytes_total` and `registry_pulled_bytes_total`.\n",
        "| metric | kind | labels | series at most | what |",
        "|---|---|---|---|---|",
        *(
            f"| `{one.name}` | {one.kind.value}, {'counted' if one.counted else 'read'} | {_labels(one)} "
            f"| {one.most_series} | {one.help} |"
            for one in DEFINITIONS
        ),
    ]
    return MADE + "\n".join(lines) + "\n"


def _labels(definition: Definition) -> str:
    return "<br>".join(
        f"`{label}`: " + (f"{v.number} {v.of}" if isinstance(v, AtMost) else ", ".join(v))
        for label, v in definition.labels.items()
    )


def _leaves(
    kind: Struct, path: tuple[str, ...], variable: str = "REGISTRY"
) -> Iterator[tuple[tuple[str, ...], Key, str]]:
    for name, key in kind.keys.items():
        place, named = (*path, name), f"{variable}_{key.segment(name)}"
        if named in NOT_OVERRIDES:
            named = ""
        if isinstance(key.kind, Struct) and key.verdict is Verdict.USED:
            yield from _leaves(key.kind, place, named)
        else:
            yield place, key, named


def _kind(key: Key) -> str:
    match key.kind:
        case ListOf():
            return "list"
        case MapOf() | Struct():
            return "mapping"
        case scalar:
            return scalar.value


def _shown(default: str) -> str:
    return f"`{default}`" if default else ""


PAGES = {
    "registry-endpoints.md": endpoints_page,
    "registry-errors.md": errors_page,
    "registry-metrics.md": metrics_page,
    "registry-settings.md": settings_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")
