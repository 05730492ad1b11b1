"""Lists of referrers as they are answered: what others left in the tree, and answers of bounded size."""

from __future__ import annotations

import json

import pytest

from registry_app.oci.digests import Digest
from tests.registry_app.test_protocol import EMPTY, OCI_MANIFEST, digest, encoded
from tests.serving import start_registry

SUBJECT = {"mediaType": OCI_MANIFEST, "digest": digest(b"what is referred to"), "size": 19}
LIST = f"/v2/team/app/referrers/{SUBJECT['digest']}"


def referrer(annotations: dict[str, str]) -> bytes:
    """A manifest that refers to the subject."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(EMPTY), "size": 2}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [], "subject": SUBJECT}
    return encoded({**document, "annotations": annotations})


def place(root, body: bytes) -> None:
    """Writes a manifest into the tree, as another registry did."""
    name = Digest.of(body).hex
    tree = root / "docker/registry/v2"
    for path, content in (
        (tree / f"blobs/sha256/{name[:2]}/{name}/data", body),
        (tree / f"repositories/team/app/_manifests/revisions/sha256/{name}/link", f"sha256:{name}".encode()),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


@pytest.fixture
def root(tmp_path):
    """A tree that is not served yet."""
    return tmp_path / "root"


def test_half_a_character_in_a_tree_of_others_is_no_error(root, tmp_path):
    """The list is told, with a sign in its place; and nobody can push one here."""
    place(root, half := referrer({"a": "\ud800"}))
    with start_registry(tmp_path, root=root, config={"stackgen": {"workers": 1}}) as registry:
        answer = registry.request("GET", LIST)
        assert (answer.status, answer["Content-Type"]) == (200, "application/vnd.oci.image.index.v1+json")
        assert [one["annotations"] for one in json.loads(answer.body)["manifests"]] == [{"a": "?"}]
        refused = registry.request("PUT", "/v2/team/app/manifests/1", body=half, headers={"Content-Type": OCI_MANIFEST})
        assert (refused.status, json.loads(refused.body)["errors"][0]["code"]) == (400, "MANIFEST_INVALID")
        assert "Traceback" not in registry.log.read_text()


def test_a_page_ends_at_four_mebibytes(root, tmp_path):
    """However few referrers that are; the pages together tell each once, those too that are larger than a page."""
    for number, size in enumerate((1_500_000, 1_500_000, 1_500_000, 3_900_000, 3_900_000, 10)):
        place(root, referrer({str(number): "x" * size}))
    with start_registry(tmp_path, root=root, config={"stackgen": {"workers": 1}}) as registry:
        seen, path = [], LIST
        while path:
            answer = registry.request("GET", path)
            assert len(answer.body) <= 4 * 1024 * 1024 + 1000
            seen += [key for one in json.loads(answer.body)["manifests"] for key in one["annotations"]]
            link = answer["Link"]
            path = link and link[1 : link.index(">")]
        assert sorted(seen) == list("012345")
