"""The whole OCI Distribution surface as one table: rows run in order against one running service.

`{name}` in a path stands for a digest of the contents below or for a Location that an earlier row saved.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field

import pytest

from tests.serving import start_registry

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """Digest of content as the protocol writes it."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, media_type: str, **extra) -> dict:
    """Descriptor of content."""
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **extra}


def encoded(document: dict) -> bytes:
    """JSON as clients send it."""
    return json.dumps(document).encode()


CONFIG = b'{"architecture":"amd64","os":"linux"}'
LAYER = bytes(range(256)) * 40  # 10,240 bytes
OTHER = b"another layer"
EMPTY = b"{}"


def image(layer=LAYER, media_type=OCI_MANIFEST, config_type=OCI_CONFIG, layer_type=OCI_LAYER, **extra) -> bytes:
    """A manifest of one config and one layer."""
    return encoded(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(CONFIG, config_type),
            "layers": [descriptor(layer, layer_type)],
            **extra,
        }
    )


IMAGE = image()
DOCKER_IMAGE = image(media_type=DOCKER_MANIFEST, config_type=DOCKER_CONFIG, layer_type=DOCKER_LAYER)
INDEX = encoded({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(IMAGE, OCI_MANIFEST)]})
LIST = encoded(
    {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [descriptor(DOCKER_IMAGE, DOCKER_MANIFEST, platform={"architecture": "amd64", "os": "linux"})],
    }
)
SIGNATURE = encoded(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.signature",
        "config": descriptor(EMPTY, "application/vnd.oci.empty.v1+json"),
        "layers": [descriptor(EMPTY, "application/vnd.oci.empty.v1+json")],
        "subject": descriptor(IMAGE, OCI_MANIFEST),
        "annotations": {"org.example.signer": "ops"},
    }
)
EARLY = encoded(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(EMPTY, "application/vnd.example.sbom.v1"),
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": digest(b"not pushed yet"), "size": 14},
    }
)
ALIEN = encoded({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": []})
MISSING_LAYER = image(layer=b"never pushed")
PADDED = IMAGE + b" " * ((4 << 20) - len(IMAGE))

NAMES = {
    "config": digest(CONFIG),
    "layer": digest(LAYER),
    "layer512": digest(LAYER, "sha512"),
    "other": digest(OTHER),
    "empty": digest(EMPTY),
    "image": digest(IMAGE),
    "image512": digest(IMAGE, "sha512"),
    "docker": digest(DOCKER_IMAGE),
    "index": digest(INDEX),
    "list": digest(LIST),
    "signature": digest(SIGNATURE),
    "early": digest(EARLY),
    "early_subject": digest(b"not pushed yet"),
    "unknown": digest(b"unknown"),
}


@dataclass(frozen=True)
class Row:
    """One call and what must come back. Header values are regular expressions; None means absent."""

    title: str
    method: str
    path: str
    status: int
    body: bytes | None = None
    sends: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str | None] = field(default_factory=dict)
    answers: object = None
    code: str | None = None
    save: str | None = None
    chunks: tuple[bytes, ...] | None = None


def uploaded(name: str, repository: str = "team/app") -> dict[str, str]:
    """The headers after a blob was uploaded or mounted."""
    return {
        "Location": f"/v2/{repository}/blobs/{NAMES[name]}",
        "Docker-Content-Digest": NAMES[name],
        "Content-Length": "0",
    }


def at(end: int, repository: str = "team/app") -> dict[str, str]:
    """The headers of an upload that stands at a byte."""
    return {
        "Location": rf"/v2/{repository}/blobs/uploads/[^/?]+(\?.*)?",
        "Range": f"0-{end}",
        "Docker-Upload-UUID": "[A-Za-z0-9-]+",
    }


APP = "/v2/team/app"
START = f"{APP}/blobs/uploads/"
DEEP = "/v2/a/b-c/d.e/f__g"

# fmt: off
ROWS = [
    # Base, and what is not there
    Row("the base answers and names the API", "GET", "/v2/", 200, answers={}, headers={"Docker-Distribution-API-Version": "registry/2.0", "Content-Type": "application/json"}),
    Row("the base answers without its slash", "GET", "/v2", 200, answers={}),
    Row("HEAD of the base", "HEAD", "/v2/", 200, headers={"Content-Length": "2"}),
    Row("an address that is not served", "GET", "/v2/team/app/nonsense", 404, code="NOT_FOUND"),
    Row("an address outside of the API", "GET", "/v3/", 404, code="NOT_FOUND", headers={"Docker-Distribution-API-Version": None}),
    Row("a method that is not served", "POST", f"{APP}/manifests/1", 405, code="UNSUPPORTED", headers={"Allow": "DELETE, GET, HEAD, PUT, OPTIONS"}),
    Row("a method that nobody knows", "BREW", f"{APP}/manifests/1", 400, code="BAD_REQUEST"),
    Row("a method that is Falcon's own", "WEBSOCKET", f"{APP}/manifests/1", 405, code="UNSUPPORTED"),
    Row("a preflight is answered", "OPTIONS", f"{APP}/manifests/1", 200, headers={"Allow": ".*PUT.*"}),
    Row("an invalid name", "GET", "/v2/UPPER/manifests/1", 400, code="NAME_INVALID"),
    Row("an invalid name in the middle", "GET", "/v2/a/../b/manifests/1", 400, code="NAME_INVALID"),
    Row("an invalid digest", "GET", f"{APP}/blobs/sha256:xyz", 400, code="DIGEST_INVALID"),
    Row("an unknown algorithm", "GET", f"{APP}/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400, code="DIGEST_INVALID"),
    Row("a tag that can't be", "GET", f"{APP}/manifests/-dash", 404, code="MANIFEST_UNKNOWN"),
    Row("a push to a tag that can't be", "PUT", f"{APP}/manifests/-dash", 400, body=b"{}", code="TAG_INVALID"),
    # Uploads: POST, PATCH, PUT
    Row("an upload starts", "POST", START, 202, headers={**at(0), "Content-Length": "0"}, save="up"),
    Row("its state can be asked for", "GET", "{up}", 204, headers=at(0)),
    Row("a first chunk without a range", "PATCH", "{up}", 202, body=LAYER[:4000], headers=at(3999), save="up"),
    Row("a chunk with the right range", "PATCH", "{up}", 202, body=LAYER[4000:5000], sends={"Content-Range": "4000-4999"}, headers=at(4999), save="up"),
    Row("a chunk that came twice is refused with the state", "PATCH", "{up}", 416, body=LAYER[4000:5000], sends={"Content-Range": "4000-4999"}, headers=at(4999), code="RANGE_INVALID"),
    Row("a chunk that leaves a gap is refused with the state", "PATCH", "{up}", 416, body=LAYER[6000:7000], sends={"Content-Range": "6000-6999"}, headers=at(4999), code="RANGE_INVALID"),
    Row("a range that is no range", "PATCH", "{up}", 416, body=b"x", sends={"Content-Range": "5000"}, code="RANGE_INVALID"),
    Row("a range of another length than the body", "PATCH", "{up}", 400, body=b"xy", sends={"Content-Range": "5000-5000"}, code="SIZE_INVALID"),
    Row("the state is what it was", "GET", "{up}", 204, headers=at(4999)),
    Row("a chunk in pieces, as docker sends it", "PATCH", "{up}", 202, chunks=(LAYER[5000:5001], LAYER[5001:9000], LAYER[9000:10000]), headers=at(9999), save="up"),
    Row("the end without a digest", "PUT", "{up}", 400, body=LAYER[10000:], code="DIGEST_INVALID"),
    Row("the end with its last bytes", "PUT", "{up}&digest={layer}", 201, body=LAYER[10000:], sends={"Content-Range": "10000-10239"}, headers=uploaded("layer")),
    Row("an upload is over when it has ended", "GET", "{up}", 404, code="BLOB_UPLOAD_UNKNOWN"),
    Row("the blob has its size and digest", "HEAD", f"{APP}/blobs/{{layer}}", 200, headers={"Content-Length": "10240", "Docker-Content-Digest": NAMES["layer"], "ETag": f'"{NAMES["layer"]}"', "Accept-Ranges": "bytes"}),
    # Uploads: POST, PUT
    Row("a second upload", "POST", START, 202, save="up"),
    Row("the whole in the PUT", "PUT", "{up}&digest={config}", 201, body=CONFIG, headers=uploaded("config")),
    Row("a third upload", "POST", START, 202, save="up"),
    Row("the whole in pieces in the PUT", "PUT", "{up}&digest={other}", 201, chunks=(OTHER[:1], OTHER[1:]), headers=uploaded("other")),
    Row("a fourth upload", "POST", START, 202, save="up"),
    Row("another content than the digest says", "PUT", "{up}&digest={unknown}", 400, body=b"something else", code="DIGEST_INVALID"),
    Row("nothing came of it", "HEAD", f"{APP}/blobs/{{unknown}}", 404),
    # Uploads: a single POST
    Row("a blob in one request", "POST", f"{START}?digest={{empty}}", 201, body=EMPTY, headers=uploaded("empty")),
    Row("a blob in one request, wrong", "POST", f"{START}?digest={{unknown}}", 400, body=EMPTY, code="DIGEST_INVALID"),
    Row("a blob in one request by sha512", "POST", f"{START}?digest={{layer512}}", 201, body=LAYER, headers=uploaded("layer512")),
    Row("an upload for sha512", "POST", f"{START}?digest-algorithm=sha512", 202, save="up"),
    Row("its bytes", "PATCH", "{up}", 202, body=LAYER, headers=at(10239), save="up"),
    Row("its end", "PUT", "{up}&digest={layer512}", 201, headers=uploaded("layer512")),
    # Uploads: cancellation, other repositories
    Row("an upload to cancel", "POST", START, 202, save="up"),
    Row("it is not another repository's", "GET", "{up@team/else}", 404, code="BLOB_UPLOAD_UNKNOWN"),
    Row("nor can another repository end it", "PUT", "{up@team/else}&digest={config}", 404, body=CONFIG, code="BLOB_UPLOAD_UNKNOWN"),
    Row("it is intact", "GET", "{up}", 204, headers=at(0)),
    Row("it is cancelled", "DELETE", "{up}", 204),
    Row("and gone", "GET", "{up}", 404, code="BLOB_UPLOAD_UNKNOWN"),
    Row("an upload that never was", "PATCH", f"{START}00000000-0000-0000-0000-000000000000", 404, body=b"x", code="BLOB_UPLOAD_UNKNOWN"),
    Row("an upload whose id is a path", "GET", f"{START}..", 404, code="BLOB_UPLOAD_UNKNOWN"),
    # Mounts
    Row("a mount from a repository that has it", "POST", f"{DEEP}/blobs/uploads/?mount={{layer}}&from=team/app", 201, headers=uploaded("layer", "a/b-c/d.e/f__g")),
    Row("a mount without a source", "POST", f"{DEEP}/blobs/uploads/?mount={{config}}", 201, headers=uploaded("config", "a/b-c/d.e/f__g")),
    Row("a mount from a repository that lacks it", "POST", f"{DEEP}/blobs/uploads/?mount={{unknown}}&from=team/app", 202, headers=at(0, "a/b-c/d.e/f__g")),
    Row("a mount from a repository that does not exist", "POST", f"{DEEP}/blobs/uploads/?mount={{unknown}}&from=no/where", 202),
    Row("the mounted blob is here", "GET", f"{DEEP}/blobs/{{layer}}", 200, answers=LAYER),
    # Reading blobs
    Row("a blob", "GET", f"{APP}/blobs/{{layer}}", 200, answers=LAYER, headers={"Content-Length": "10240", "Content-Type": "application/octet-stream", "Docker-Content-Digest": NAMES["layer"], "Accept-Ranges": "bytes", "Cache-Control": "max-age=31536000"}),
    Row("a blob by sha512", "GET", f"{APP}/blobs/{{layer512}}", 200, answers=LAYER),
    Row("a blob that is elsewhere only", "GET", "/v2/team/else/blobs/{layer}", 404, code="BLOB_UNKNOWN"),
    Row("a blob that is nowhere", "GET", f"{APP}/blobs/{{unknown}}", 404, code="BLOB_UNKNOWN"),
    Row("a blob that the client has", "GET", f"{APP}/blobs/{{layer}}", 304, sends={"If-None-Match": f'"{NAMES["layer"]}"'}, answers=b""),
    Row("a part of a blob", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=100-199"}, answers=LAYER[100:200], headers={"Content-Range": "bytes 100-199/10240", "Content-Length": "100"}),
    Row("the rest of a blob", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=10000-"}, answers=LAYER[10000:], headers={"Content-Range": "bytes 10000-10239/10240"}),
    Row("the end of a blob", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=-40"}, answers=LAYER[-40:]),
    Row("a part that reaches beyond the end", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=10200-99999"}, answers=LAYER[10200:]),
    Row("a part behind the end", "GET", f"{APP}/blobs/{{layer}}", 416, sends={"Range": "bytes=10240-"}, headers={"Content-Range": r"bytes \*/10240"}),
    Row("a range that is no range is ignored", "GET", f"{APP}/blobs/{{layer}}", 200, sends={"Range": "lines=1-2"}, answers=LAYER),
    Row("a part of what the client has, by tag", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=0-0", "If-Range": f'"{NAMES["layer"]}"'}, answers=LAYER[:1]),
    Row("the whole where the tag differs", "GET", f"{APP}/blobs/{{layer}}", 200, sends={"Range": "bytes=0-0", "If-Range": '"else"'}, answers=LAYER),
    Row("several parts", "GET", f"{APP}/blobs/{{layer}}", 206, sends={"Range": "bytes=0-1,100-101"}, headers={"Content-Type": "multipart/byteranges; boundary=.+"}),
    Row("an empty range of HEAD", "HEAD", f"{APP}/blobs/{{layer}}", 200, sends={"Range": "bytes=0-1"}, headers={"Content-Length": "10240"}),
    # Manifests
    Row("a manifest by tag", "PUT", f"{APP}/manifests/1.0", 201, body=IMAGE, sends={"Content-Type": OCI_MANIFEST}, headers={"Location": f"/v2/team/app/manifests/{NAMES['image']}", "Docker-Content-Digest": NAMES["image"], "OCI-Subject": None, "OCI-Tag": None}),
    Row("it is read by tag", "GET", f"{APP}/manifests/1.0", 200, answers=IMAGE, headers={"Content-Type": re.escape(OCI_MANIFEST), "Docker-Content-Digest": NAMES["image"], "Content-Length": str(len(IMAGE)), "ETag": f'"{NAMES["image"]}"'}),
    Row("it is read by digest", "GET", f"{APP}/manifests/{{image}}", 200, answers=IMAGE),
    Row("whatever Accept says", "GET", f"{APP}/manifests/1.0", 200, answers=IMAGE, sends={"Accept": "text/plain"}),
    Row("HEAD says what GET would", "HEAD", f"{APP}/manifests/1.0", 200, headers={"Content-Type": re.escape(OCI_MANIFEST), "Docker-Content-Digest": NAMES["image"], "Content-Length": str(len(IMAGE))}),
    Row("a manifest that the client has", "GET", f"{APP}/manifests/1.0", 304, sends={"If-None-Match": NAMES["image"]}, answers=b""),
    Row("a manifest by digest with tags", "PUT", f"{APP}/manifests/{{image}}?tag=2.0&tag=2&tag=latest", 201, body=IMAGE, sends={"Content-Type": OCI_MANIFEST}, headers={"OCI-Tag": "2.0, 2, latest"}),
    Row("each tag is there", "HEAD", f"{APP}/manifests/latest", 200, headers={"Docker-Content-Digest": NAMES["image"]}),
    Row("a manifest by sha512", "PUT", f"{APP}/manifests/{{image512}}", 201, body=IMAGE, sends={"Content-Type": OCI_MANIFEST}, headers={"Docker-Content-Digest": NAMES["image512"]}),
    Row("it is read by sha512", "GET", f"{APP}/manifests/{{image512}}", 200, answers=IMAGE, headers={"Docker-Content-Digest": NAMES["image512"]}),
    Row("a manifest under another digest", "PUT", f"{APP}/manifests/{{unknown}}", 400, body=IMAGE, sends={"Content-Type": OCI_MANIFEST}, code="DIGEST_INVALID"),
    Row("a charset in the type is ignored", "PUT", f"{APP}/manifests/1.0", 201, body=IMAGE, sends={"Content-Type": f"{OCI_MANIFEST}; charset=utf-8"}),
    Row("Docker's manifest", "PUT", f"{APP}/manifests/docker", 201, body=DOCKER_IMAGE, sends={"Content-Type": DOCKER_MANIFEST}),
    Row("Docker's list", "PUT", f"{APP}/manifests/list", 201, body=LIST, sends={"Content-Type": DOCKER_LIST}),
    Row("an index, in pieces", "PUT", f"{APP}/manifests/index", 201, chunks=(INDEX[:10], INDEX[10:]), sends={"Content-Type": OCI_INDEX}),
    Row("its type comes back", "GET", f"{APP}/manifests/list", 200, answers=LIST, headers={"Content-Type": re.escape(DOCKER_LIST)}),
    Row("schema 1 is refused", "PUT", f"{APP}/manifests/old", 400, body=ALIEN, sends={"Content-Type": DOCKER_SCHEMA_1}, code="MANIFEST_INVALID"),
    Row("a body of another type than its header", "PUT", f"{APP}/manifests/x", 400, body=IMAGE, sends={"Content-Type": OCI_INDEX}, code="MANIFEST_INVALID"),
    Row("what is no JSON", "PUT", f"{APP}/manifests/x", 400, body=b"{", sends={"Content-Type": OCI_MANIFEST}, code="MANIFEST_INVALID"),
    Row("a layer that is not here", "PUT", f"{APP}/manifests/x", 404, body=MISSING_LAYER, sends={"Content-Type": OCI_MANIFEST}, code="MANIFEST_BLOB_UNKNOWN"),
    Row("four megabytes", "PUT", f"{APP}/manifests/fat", 201, body=PADDED, sends={"Content-Type": OCI_MANIFEST}),
    Row("more than that", "PUT", f"{APP}/manifests/fat", 413, body=PADDED + b" ", sends={"Content-Type": OCI_MANIFEST}, code="MANIFEST_TOO_LARGE"),
    Row("more than that, in pieces", "PUT", f"{APP}/manifests/fat", 413, chunks=(PADDED, b" "), sends={"Content-Type": OCI_MANIFEST}, code="MANIFEST_TOO_LARGE"),
    Row("a tag that is not there", "GET", f"{APP}/manifests/none", 404, code="MANIFEST_UNKNOWN"),
    Row("HEAD of a blob as a manifest, as containerd probes", "HEAD", f"{APP}/manifests/{{layer}}", 404),
    Row("a manifest in a repository that is not there", "GET", "/v2/no/where/manifests/1", 404, code="MANIFEST_UNKNOWN|NAME_UNKNOWN"),
    # Referrers
    Row("a signature of the image", "PUT", f"{APP}/manifests/{{signature}}", 201, body=SIGNATURE, sends={"Content-Type": OCI_MANIFEST}, headers={"OCI-Subject": NAMES["image"]}),
    Row("is found by it", "GET", f"{APP}/referrers/{{image}}", 200, answers={"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_MANIFEST, "digest": NAMES["signature"], "size": len(SIGNATURE), "artifactType": "application/vnd.example.signature", "annotations": {"org.example.signer": "ops"}}]}, headers={"Content-Type": re.escape(OCI_INDEX), "OCI-Filters-Applied": None}),
    Row("and by its type", "GET", f"{APP}/referrers/{{image}}?artifactType=application/vnd.example.signature", 200, answers=lambda found: len(found["manifests"]) == 1, headers={"OCI-Filters-Applied": "artifactType"}),
    Row("and not by another", "GET", f"{APP}/referrers/{{image}}?artifactType=text/plain", 200, answers=lambda found: found["manifests"] == [], headers={"OCI-Filters-Applied": "artifactType"}),
    Row("nothing refers to what is unknown", "GET", f"{APP}/referrers/{{unknown}}", 200, answers=lambda found: found["manifests"] == []),
    Row("nor in a repository that is not there", "GET", "/v2/no/where/referrers/{unknown}", 200, answers=lambda found: found["manifests"] == []),
    Row("an invalid subject", "GET", f"{APP}/referrers/latest", 400, code="DIGEST_INVALID"),
    Row("a referrer may come before its subject", "PUT", f"{APP}/manifests/early", 201, body=EARLY, sends={"Content-Type": OCI_MANIFEST}, headers={"OCI-Subject": NAMES["early_subject"]}),
    Row("its type is that of its config", "GET", f"{APP}/referrers/{{early_subject}}", 200, answers=lambda found: found["manifests"][0]["artifactType"] == "application/vnd.example.sbom.v1"),
    # Lists
    Row("tags in order", "GET", f"{APP}/tags/list", 200, answers={"name": "team/app", "tags": ["1.0", "2", "2.0", "docker", "early", "fat", "index", "latest", "list"]}, headers={"Link": None}),
    Row("a page of tags", "GET", f"{APP}/tags/list?n=2", 200, answers={"name": "team/app", "tags": ["1.0", "2"]}, headers={"Link": r'</v2/team/app/tags/list\?n=2&last=2>; rel="next"'}),
    Row("the page after", "GET", f"{APP}/tags/list?n=2&last=2", 200, answers={"name": "team/app", "tags": ["2.0", "docker"]}),
    Row("the last page", "GET", f"{APP}/tags/list?n=9&last=latest", 200, answers={"name": "team/app", "tags": ["list"]}, headers={"Link": None}),
    Row("after a tag that is not there", "GET", f"{APP}/tags/list?last=zzz", 200, answers={"name": "team/app", "tags": []}),
    Row("no tags at all", "GET", f"{APP}/tags/list?n=0", 200, answers={"name": "team/app", "tags": []}, headers={"Link": None}),
    Row("more tags than anyone has", "GET", f"{APP}/tags/list?n=99999999999999999999", 200, answers=lambda found: len(found["tags"]) == 9),
    Row("less than none", "GET", f"{APP}/tags/list?n=-1", 400, code="PAGINATION_NUMBER_INVALID"),
    Row("a number that is none", "GET", f"{APP}/tags/list?n=abc", 400, code="PAGINATION_NUMBER_INVALID"),
    Row("tags of a repository that is not there", "GET", "/v2/no/where/tags/list", 404, code="NAME_UNKNOWN"),
    Row("an image in a second repository", "PUT", f"{DEEP}/manifests/1", 201, body=IMAGE, sends={"Content-Type": OCI_MANIFEST}),
    Row("the catalog in order", "GET", "/v2/_catalog", 200, answers={"repositories": ["a/b-c/d.e/f__g", "team/app"]}, headers={"Link": None}),
    Row("a page of the catalog", "GET", "/v2/_catalog?n=1", 200, answers={"repositories": ["a/b-c/d.e/f__g"]}, headers={"Link": r'</v2/_catalog\?n=1&last=a/b-c/d.e/f__g>; rel="next"'}),
    Row("the page after it", "GET", "/v2/_catalog?n=1&last=a/b-c/d.e/f__g", 200, answers={"repositories": ["team/app"]}, headers={"Link": None}),
    Row("a catalog of nothing", "GET", "/v2/_catalog?n=0", 200, answers={"repositories": []}),
    Row("docker search asks whom it talks to", "GET", "/v1/_ping", 200, headers={"X-Docker-Registry-Standalone": "true"}),
    Row("docker search", "GET", "/v1/search?q=app&n=25", 200, answers={"query": "app", "num_results": 1, "results": [{"name": "team/app", "description": "", "star_count": 0, "is_official": False, "is_automated": False}]}),
    Row("docker search for what is not there", "GET", "/v1/search?q=nothing", 200, answers={"query": "nothing", "num_results": 0, "results": []}),
    # Deletes
    Row("a tag is deleted", "DELETE", f"{APP}/manifests/2.0", 202),
    Row("it alone", "GET", f"{APP}/manifests/2.0", 404, code="MANIFEST_UNKNOWN"),
    Row("others stay", "HEAD", f"{APP}/manifests/latest", 200),
    Row("a tag is deleted once", "DELETE", f"{APP}/manifests/2.0", 404, code="MANIFEST_UNKNOWN"),
    Row("a manifest is deleted", "DELETE", f"{APP}/manifests/{{docker}}", 202),
    Row("its tags go with it", "GET", f"{APP}/manifests/docker", 404, code="MANIFEST_UNKNOWN"),
    Row("a manifest that is not there", "DELETE", f"{APP}/manifests/{{unknown}}", 404, code="MANIFEST_UNKNOWN"),
    Row("a signature is deleted", "DELETE", f"{APP}/manifests/{{signature}}", 202),
    Row("and refers no more", "GET", f"{APP}/referrers/{{image}}", 200, answers=lambda found: found["manifests"] == []),
    Row("a blob is deleted", "DELETE", f"{APP}/blobs/{{other}}", 202),
    Row("and gone", "HEAD", f"{APP}/blobs/{{other}}", 404),
    Row("a blob that is not there", "DELETE", f"{APP}/blobs/{{other}}", 404, code="BLOB_UNKNOWN"),
    Row("a whole repository is deleted", "DELETE", f"{DEEP}/_stackgen/repository", 202),
    Row("and gone from the catalog", "GET", "/v2/_catalog", 200, answers={"repositories": ["team/app"]}),
    Row("with its manifests", "GET", f"{DEEP}/manifests/1", 404),
    Row("and its blobs", "GET", f"{DEEP}/blobs/{{layer}}", 404),
    Row("while the other one's stay", "GET", f"{APP}/blobs/{{layer}}", 200, answers=LAYER),
    Row("a repository that is not there", "DELETE", f"{DEEP}/_stackgen/repository", 404, code="NAME_UNKNOWN"),
]
# fmt: on


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """One service for the whole table."""
    with start_registry(tmp_path_factory.mktemp("protocol"), users={"alice": "secret"}) as running:
        yield running


@pytest.fixture(scope="module")
def saved():
    """Locations that rows saved."""
    return {}


def filled(path: str, saved: dict[str, str]) -> str:
    """A path with its names replaced; `{up@other}` is the saved Location in another repository."""

    def replaced(match):
        name, _, repository = match[1].partition("@")
        if repository:
            return (
                re.sub("^/v2/.+/blobs/uploads/", f"/v2/{repository}/blobs/uploads/", saved[name]).partition("?")[0]
                + "?"
            )
        return saved.get(name) or NAMES[name]

    path = re.sub(r"\{([^}]+)\}", replaced, path)
    return path if "?" in path or "&" not in path else path.replace("&", "?", 1)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title.replace(" ", "-"))
def test_the_protocol(row, registry, saved):
    """Status, headers and body of every call are what the specification says."""
    body = iter(row.chunks) if row.chunks else row.body  # what can't tell its length goes out chunked
    answer = registry.request(row.method, filled(row.path, saved), body=body, headers=row.sends)
    assert re.fullmatch(str(row.status), str(answer.status)), answer.body
    for name, pattern in row.headers.items():
        value = answer[name]
        assert (value is None) == (pattern is None), f"{name}: {value}"
        assert pattern is None or re.fullmatch(pattern, value), f"{name}: {value}"
    if row.path.startswith("/v2"):
        assert answer["Docker-Distribution-API-Version"] == "registry/2.0"
    if answer.status >= 400 and row.method != "HEAD":
        assert answer["Content-Type"] == "application/json"
        (error,) = json.loads(answer.body)["errors"]
        assert error["message"]
        assert re.fullmatch(row.code or ".*", error["code"]), error
    if isinstance(row.answers, bytes):
        assert answer.body == row.answers
    elif callable(row.answers):
        assert row.answers(json.loads(answer.body)), answer.body
    elif row.answers is not None:
        assert json.loads(answer.body) == row.answers
    if row.save:
        saved[row.save] = answer["Location"]
