"""Addresses and image references are read as Docker reads them, and nothing else is let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.distribution.addresses import is_loopback, parse_image, parse_oci_address, parse_registry
from stackgen.errors import StackgenError

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "host", "repository", "reference"),
    [
        ("oci://registry.example.com/acme/stack:1.0", "registry.example.com", "acme/stack", "1.0"),
        ("oci://localhost:8443/a/b/c", "localhost:8443", "a/b/c", "latest"),
        (f"oci://[::1]:5000/x@{DIGEST}", "[::1]:5000", "x", DIGEST),
        (f"oci://h/x:1@{DIGEST}", "h", "x", DIGEST),
    ],
)
def test_an_oci_address_has_host_repository_and_reference(text, host, repository, reference):
    """The parts are found, ports and IPv6 included."""
    address = parse_oci_address(text)
    assert (address.host, str(address.repository), address.reference) == (host, repository, reference)


@pytest.mark.parametrize(
    "text",
    ["", "https://h/x", "oci://", "oci://h", "oci://h/", "oci:///x", "oci://u:p@h/x", "oci://h/X", "oci://h/x:",
     "oci://h/x:a b", "oci://h/x@sha256:12", "oci://h:0/x", "oci://h:99999/x", "oci://h/../x", "oci://h/x?y", "oci://h/x\n",
     "oci://" + "a" * 64 + "/x", "oci://" + "a." * 127 + "aa/x", "oci://\udcff/x"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_right_form(text):
    """Each refusal shows how an address is written."""
    with pytest.raises(StackgenError) as caught:
        parse_oci_address(text)
    assert "oci://registry.example.com" in caught.value.hint


@pytest.mark.parametrize("text", ["", "https://h", "h/x", "\udcff", "a" * 64, "h:0"])
def test_what_is_no_registry_is_refused(text):
    """As of a mirror."""
    assert parse_registry("mirror.example.com:5000") == "mirror.example.com:5000"
    with pytest.raises(StackgenError, match="is no host or host:port"):
        parse_registry(text)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("nginx:1.30", "docker.io/library/nginx:1.30"),
        ("prom/prometheus:v3", "docker.io/prom/prometheus:v3"),
        ("ghcr.io/google/cadvisor:v0.53.0", "ghcr.io/google/cadvisor:v0.53.0"),
        ("localhost/x", "localhost/x"),
        ("host:5000/x/y", "host:5000/x/y"),
        (f"nginx:1.30@{DIGEST}", f"docker.io/library/nginx:1.30@{DIGEST}"),
    ],
)
def test_a_short_image_name_means_the_hub(text, whole):
    """Docker's rule for names without a host."""
    assert str(parse_image(text)) == whole


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost:5000", True), ("127.8.9.1", True), ("[::1]:5000", True), ("10.0.0.1", False),
     ("localhost.example.com", False), ("127.0.0.1.example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine_alone(host, loopback):
    """A name that merely looks like loopback is not."""
    assert is_loopback(host) is loopback


@given(st.text())
def test_no_text_ends_in_anything_but_an_address_or_a_refusal(text):
    """A parser for what people type."""
    for parse in (parse_oci_address, parse_image):
        try:
            address = parse(text)
        except StackgenError:
            continue
        assert parse_image(str(address)) == address
