"""Digests."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import ALGORITHMS, Digest, new_hash


@given(st.binary(max_size=100), st.sampled_from(sorted(ALGORITHMS)))
def test_a_digest_reads_back_as_it_was_written(content, algorithm):
    """Parsing what `str` gives gives the same digest, and it is hashlib's."""
    digest = Digest.of(content, algorithm)
    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.new(algorithm, content).hexdigest()


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "sha256:" + "a" * 63, "sha256:" + "A" * 64, "sha256:" + "g" * 64, "sha256:" + "a" * 64 + "\n",
     "sha512:" + "a" * 64, "md5:" + "a" * 32, ":" + "a" * 64, "sha256:sha256:" + "a" * 57, "sha256:" + "\u0661" * 64, "sha256:../" + "a" * 61],
)  # fmt: skip
def test_anything_else_is_refused(text):
    """Only lower-case hexadecimal digits of exactly the algorithm's length."""
    with pytest.raises(RegistryError) as caught:
        Digest.parse(text)
    assert caught.value.code is ErrorCode.DIGEST_INVALID


def test_an_unregistered_algorithm_has_no_hash():
    """md5 never checks anything."""
    with pytest.raises(RegistryError):
        new_hash("md5")
