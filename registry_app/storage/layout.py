"""The birthplace of every path in the store.

<root>/docker/registry/v2/                                      distribution's tree: the truth
    blobs/<algorithm>/<first 2 hex>/<hex>/data
    repositories/<name>/
        _layers/<algorithm>/<hex>/link
        _manifests/revisions/<algorithm>/<hex>/link
        _manifests/tags/<tag>/current/link
        _manifests/tags/<tag>/index/<algorithm>/<hex>/link
        _uploads/<id>/{data,startedat,upload.json,received}     the last two are ours; upstream ignores them
<root>/stackgen/                                                ours: derived or temporary, upstream never looks here
    locks  epoch  references.<epoch>  read-only
    index.sqlite  index.sqlite-wal  index.sqlite-shm
    drafts/<id>                                                 small files on their way to their place
    trash/<run>/<path below the tree>
    quarantine/<algorithm>/<hex>/data
    runs/{gc,scrub,purge}.json
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REVISION = re.compile(r"(?P<repository>.+)/_manifests/revisions/(?P<algorithm>[^/]+)/(?P<hex>[^/]+)/link")
_CURRENT = re.compile(r"(?P<repository>.+)/_manifests/tags/(?P<tag>[^/]+)/current/link")


class Layout:
    """Paths below one root folder, which is resolved once, as is the way to the tree and to our own folder in it.

    Each path is joined in one step: every `/` between Path objects costs as much as a system call.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.tree = (self.root / "docker" / "registry" / "v2").resolve()
        self.blobs = self.tree / "blobs"
        self.repositories = self.tree / "repositories"
        self.own = (self.root / "stackgen").resolve()
        self.locks = self.own / "locks"
        self.epoch = self.own / "epoch"
        self.read_only = self.own / "read-only"
        self.index = self.own / "index.sqlite"
        self.drafts = self.own / "drafts"
        self.trash = self.own / "trash"
        self.quarantine = self.own / "quarantine"

    def detours(self) -> Iterator[Path]:
        """Where those of the upper folders lie that are links: these alone are followed."""
        for name in ("docker/registry/v2", "docker/registry", "docker", "stackgen"):
            place = self.root / name
            if place.is_symlink():
                yield place.resolve()

    def blob(self, digest: Digest) -> Path:
        """The content of a digest."""
        return self.blobs / f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    def quarantined(self, digest: Digest) -> Path:
        """Where content that does not match its digest lies."""
        return self.quarantine / digest.algorithm / digest.hex / "data"

    def run(self, kind: str) -> Path:
        """The summary of the last collection (`gc`), scrub or purge of uploads."""
        return self.own / "runs" / f"{kind}.json"

    def references(self, epoch: int) -> Path:
        """The log of digests that manifests came to refer to while a collection ran."""
        return self.own / f"references.{epoch}"

    def repository(self, repository: Repository) -> Path:
        """The folder of a repository; those of longer names may lie in it."""
        return self.repositories / repository.name

    def layers(self, repository: Repository) -> Path:
        """The folder of a repository's links to blobs."""
        return self.repositories / f"{repository}/_layers"

    def layer(self, repository: Repository, digest: Digest) -> Path:
        """The link that makes a blob part of a repository."""
        return self.repositories / f"{repository}/_layers/{digest.algorithm}/{digest.hex}/link"

    def manifests(self, repository: Repository) -> Path:
        """The folder of a repository's revisions and tags."""
        return self.repositories / f"{repository}/_manifests"

    def revisions(self, repository: Repository) -> Path:
        """The folder of a repository's links to manifests."""
        return self.repositories / f"{repository}/_manifests/revisions"

    def revision(self, repository: Repository, digest: Digest) -> Path:
        """The link that makes a manifest part of a repository."""
        return self.repositories / f"{repository}/_manifests/revisions/{digest.algorithm}/{digest.hex}/link"

    def revision_at(self, path: Path) -> tuple[Repository, Digest] | None:
        """Whose link to which manifest lies at this path; None if none does."""
        found = _REVISION.fullmatch(self._below_repositories(path))
        return found and (Repository(found["repository"]), Digest(found["algorithm"], found["hex"]))

    def tag_at(self, path: Path) -> tuple[Repository, Tag] | None:
        """Whose tag has its link to the manifest that it names now at this path; None if none has."""
        found = _CURRENT.fullmatch(self._below_repositories(path))
        return found and (Repository(found["repository"]), Tag(found["tag"]))

    def tags(self, repository: Repository) -> Path:
        """The folder of a repository's tags."""
        return self.repositories / f"{repository}/_manifests/tags"

    def tag(self, repository: Repository, tag: Tag) -> Path:
        """The folder of one tag."""
        return self.repositories / f"{repository}/_manifests/tags/{tag}"

    def current(self, repository: Repository, tag: Tag) -> Path:
        """The link to the manifest that a tag names now."""
        return self.repositories / f"{repository}/_manifests/tags/{tag}/current/link"

    def history(self, repository: Repository, tag: Tag) -> Path:
        """The folder of all that a tag ever named."""
        return self.tag(repository, tag) / "index"

    def tagged(self, repository: Repository, tag: Tag, digest: Digest) -> Path:
        """The link that tells that a tag named a manifest once."""
        return self.history(repository, tag) / f"{digest.algorithm}/{digest.hex}/link"

    def uploads(self, repository: Repository) -> Path:
        """The folder of a repository's uploads."""
        return self.repositories / f"{repository}/_uploads"

    def upload(self, repository: Repository, upload_id: str) -> Path:
        """The folder of one upload."""
        return self.uploads(repository) / upload_id

    def _below_repositories(self, path: Path) -> str:
        return str(path.relative_to(self.repositories)) if path.is_relative_to(self.repositories) else ""
