"""Where everything of a stack lies: each path below a stack's folder is born here.

.env                        the settings; belongs to the user, Compose reads it too
.env.example                every setting with its default and meaning
compose.yaml                rendered
compose.override.yaml       the user's; Compose merges it, stackgen never touches it
nginx/nginx.conf            rendered;   nginx/conf.d/*.conf are the user's
config/config.yml           rendered; the folder is CONFIGS_DIR
registry/                   the build context of the registry's image
secrets/                    htpasswd, http_secret, admin_password: mounted into the registry alone
certs/                      fullchain.pem, privkey.pem: mounted into nginx alone; the folder is CERTS_DIR
ca/                         the local authority's key: mounted nowhere
images.lock.json            digests that `stackgen pin` found
.stackgen/                  what the tool remembers: hashes and texts of what it wrote
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENV = ".env"
COMPOSE = "compose.yaml"
OVERRIDE = "compose.override.yaml"
STATE = ".stackgen"
BRIDGE = f"{STATE}/bridge"


@dataclass(frozen=True, slots=True)
class StackFolder:
    """A folder that holds, or will hold, one stack."""

    root: Path

    @property
    def env(self) -> Path:
        """The user's settings."""
        return self.root / ENV

    @property
    def compose(self) -> Path:
        """The rendered Compose file."""
        return self.root / COMPOSE

    @property
    def secrets(self) -> Path:
        """Mounted read-only at /auth in the registry."""
        return self.root / "secrets"

    @property
    def htpasswd(self) -> Path:
        """Users and their bcrypt hashes."""
        return self.secrets / "htpasswd"

    @property
    def http_secret(self) -> Path:
        """Signs the state of uploads."""
        return self.secrets / "http_secret"

    @property
    def admin_password(self) -> Path:
        """The first user's password in clear, for the operator alone."""
        return self.secrets / "admin_password"

    @property
    def access(self) -> Path:
        """Optional rules by user, group and repository."""
        return self.secrets / "access.yaml"

    @property
    def authority(self) -> Path:
        """The local certificate authority's certificate and key."""
        return self.root / "ca"

    @property
    def data(self) -> Path:
        """Images of the embedded registry."""
        return self.root / "data"

    @property
    def embedded_config(self) -> Path:
        """The embedded registry's config.yml."""
        return self.state / "embedded.yml"

    @property
    def serve_pid(self) -> Path:
        """The process that serves the stack without Docker, while it does."""
        return self.state / "serve.pid"

    @property
    def serve_log(self) -> Path:
        """What it says when it was started in the background."""
        return self.state / "serve.log"

    @property
    def images_lock(self) -> Path:
        """Digests of the images that the templates name by tag."""
        return self.root / "images.lock.json"

    @property
    def state(self) -> Path:
        """What the tool remembers between runs."""
        return self.root / STATE

    @property
    def lock(self) -> Path:
        """Hashes of every file that was written, and by which version."""
        return self.state / "lock.json"

    @property
    def rendered(self) -> Path:
        """The texts as last rendered, path for path: the base of a later merge."""
        return self.state / "rendered"

    @property
    def staging(self) -> Path:
        """New texts on their way to their places."""
        return self.state / "staging"

    @property
    def bridge(self) -> Path:
        """The new contents of folders while theirs are on their way; compose.yaml points here meanwhile."""
        return self.root / BRIDGE

    @property
    def journal(self) -> Path:
        """Exists while a write is between its first and its last rename."""
        return self.state / "journal.json"

    @property
    def certificate_seen(self) -> Path:
        """Which certificate and key were found good, and until when they are."""
        return self.state / "certificate.json"

    @property
    def authority_made(self) -> Path:
        """Exists since the stack has had an authority of its own, which clients may trust."""
        return self.state / "authority"

    @property
    def rotation_journal(self) -> Path:
        """Exists while a secret is being changed."""
        return self.state / "rotation.json"

    @property
    def rotation_records(self) -> Path:
        """When which secret changed last."""
        return self.state / "rotations.json"

    @property
    def previous_password(self) -> Path:
        """The first user's password before the last change, while that can be undone."""
        return self.state / "previous_admin_password"

    @property
    def audit_log(self) -> Path:
        """What was done by commands of the tool; the registry writes its own."""
        return self.state / "audit.log"

    @property
    def mutex(self) -> Path:
        """Locked while a command changes the folder."""
        return self.state / "mutex"

    def resolve(self, path: str) -> Path:
        """A path of a setting: relative ones start at the stack's folder, as Compose reads them."""
        return self.root / path

    def is_stack(self) -> bool:
        """Whether `init` has finished here."""
        return self.env.is_file() and self.lock.is_file()
