"""Every finding of the doctor: one table of code, severity and meaning. docs/doctor.md explains each of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Severity(IntEnum):
    """How much it matters; the worst one decides the exit code."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


class Kind(Enum):
    """A finding's code is its name; the value is (severity, what it means)."""

    SETTINGS_INVALID = Severity.ERROR, "a setting of .env can't be used"
    RENDER_PENDING = Severity.WARNING, "the stack's files are not what .env says"
    EDIT_BEHIND = Severity.WARNING, "a file that you edited lacks what was rendered since"
    DOCKER_ABSENT = Severity.ERROR, "the docker command is not installed"
    ENGINE_SILENT = Severity.ERROR, "the Docker Engine does not answer"
    ENGINE_ELSEWHERE = Severity.WARNING, "the engine may run on another machine"
    ENGINE_OLD = Severity.WARNING, "the engine lacks what the stack uses"
    ENGINE_ROOTLESS = Severity.NOTE, "the engine runs without root"
    ENGINE_USERNS = Severity.NOTE, "the engine gives containers other user ids than the host's"
    COMPOSE_ABSENT = Severity.ERROR, "the Compose plugin is not installed"
    COMPOSE_OLD = Severity.WARNING, "Compose lacks what the stack uses"
    PROJECT_SHARED = Severity.ERROR, "another folder's stack has the same Compose project"
    STACK_STOPPED = Severity.NOTE, "nothing of the stack runs"
    BUILD_CA = Severity.ERROR, "the authority that the image's build shall trust can't be used"
    IMAGE_UNBUILT = Severity.NOTE, "the registry's image is not built here yet"
    SERVICE_DOWN = Severity.ERROR, "a service should run and does not"
    SERVICE_UNHEALTHY = Severity.ERROR, "a service runs and fails its health check"
    PORT_TAKEN = Severity.ERROR, "another program has a port of the stack"
    PORT_SHARED = Severity.NOTE, "another stack wants a port of this one"
    NAME_UNRESOLVED = Severity.WARNING, "the registry's name does not resolve here"
    NAME_ELSEWHERE = Severity.WARNING, "the registry's name leads to another machine"
    CERTIFICATE_MISSING = Severity.ERROR, "there is no certificate or no key"
    CERTIFICATE_UNREADABLE = Severity.ERROR, "certificate or key can't be read"
    CERTIFICATE_KEY = Severity.ERROR, "the key is not the certificate's"
    CERTIFICATE_HOST = Severity.ERROR, "the certificate is for another name"
    CERTIFICATE_ENDED = Severity.ERROR, "the certificate has ended"
    CERTIFICATE_EARLY = Severity.ERROR, "the certificate is not valid yet"
    CERTIFICATE_ENDING = Severity.WARNING, "the certificate ends soon"
    CERTIFICATE_CHAIN = Severity.WARNING, "the certificate's chain leads to no authority known here"
    CERTIFICATE_SERVED = Severity.WARNING, "another certificate is served than the one in the folder"
    CERTIFICATE_FOREIGN = Severity.ERROR, "the certificate is not of the stack's own authority"
    AUTHORITY_LOST = Severity.WARNING, "the stack can't renew its certificate: its authority is lost"
    ENGINE_DISTRUSTS = Severity.WARNING, "an engine here does not trust the certificate"
    ENGINE_INSECURE = Severity.WARNING, "the engine does not check the certificate at all"
    CLOCK_ENGINE = Severity.ERROR, "the engine's clock differs from this machine's"
    CLOCK_UNSET = Severity.WARNING, "nothing sets this machine's clock"
    DISK_RESERVE = Severity.ERROR, "so little space is free that pushes are refused"
    DISK_LOW = Severity.WARNING, "space is running out"
    DISK_INODES = Severity.WARNING, "files are running out: the file system has few inodes left"
    STORAGE_OWNER = Severity.ERROR, "STORAGE_DIR does not belong to the registry's user"
    SECRETS_HIDDEN = Severity.NOTE, "whoever runs doctor may not look at the secrets"
    SECRET_MISSING = Severity.ERROR, "a secret file is missing or can't be used"
    PASSWORD_UNKNOWN = Severity.NOTE, "the first user's password is written in no file of the stack"
    SECRET_OPEN = Severity.ERROR, "a secret can be read by everybody on this machine"
    SECRET_GROUP = Severity.ERROR, "the containers can't read a secret"
    SECRETS_UNSEEN = Severity.ERROR, "the running registry reads another folder than secrets/"

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """The same for every place."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something at a place, in words for a person, and what to type or change."""

    kind: Kind
    place: str
    message: str
    remedy: str


def worst(findings: tuple[Finding, ...]) -> Severity | None:
    """The severity that decides; None where nothing was found."""
    return max((finding.kind.severity for finding in findings), default=None)
