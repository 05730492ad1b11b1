"""Finds and reads the configuration: the only effects here are reading the file and asking what exists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.configuration.document import read_document
from registry_app.configuration.interpretation import interpret
from registry_app.regular_files import read_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from registry_app.settings import RegistrySettings

PATH_VARIABLE = "REGISTRY_CONFIGURATION_PATH"
# Where the images of registry:2 and registry:3 keep it.
USUAL_PLACES = (Path("/etc/docker/registry/config.yml"), Path("/etc/distribution/config.yml"))


class ConfigurationError(Exception):
    """The service can't start with this configuration; one line for each thing to mend."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def find_configuration(argument: str | None, environ: Mapping[str, str]) -> Path:
    """The argument, else `REGISTRY_CONFIGURATION_PATH`, else the usual place. Raises ConfigurationError."""
    if named := argument or environ.get(PATH_VARIABLE):
        return Path(named)
    for place in USUAL_PLACES:
        try:
            place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return place  # there, for all one can see; whoever reads it tells why that can't be done
        return place
    places = " or ".join(map(str, USUAL_PLACES))
    raise ConfigurationError(
        [f"no configuration: name one (registry serve config.yml) or set {PATH_VARIABLE}; none at {places}"]
    )


def load_settings(path: Path, environ: Mapping[str, str]) -> RegistrySettings:
    """Settings of a file with the overrides of the environment. Raises ConfigurationError with every problem."""
    try:
        text = read_named(path).decode()
    except UnicodeDecodeError:
        raise ConfigurationError([f"{path}: not UTF-8 text"]) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}: check the path and who may read it"]) from None
    return parse_settings(text, name=str(path), environ=environ)


def parse_settings(text: str, *, name: str, environ: Mapping[str, str]) -> RegistrySettings:
    """Settings of a configuration's text. Raises ConfigurationError with every problem at once."""
    document, findings = read_document(text, name=name, environ=environ)
    settings = None if findings.unreadable else interpret(document, findings, source=name)
    if settings is None or findings.problems:
        raise ConfigurationError(findings.problems)
    return settings
