"""Who really calls: forwarded headers count from trusted networks alone."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from registry_app.http.proxies import TrustedProxies

PROXIES = TrustedProxies([ip_network("172.16.0.0/12"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
        ("172.18.0.2", "203.0.113.9", "203.0.113.9"),
        ("::ffff:172.18.0.2", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("172.18.0.2", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("172.18.0.2", "203.0.113.9, 172.18.0.3", "203.0.113.9"),
        ("172.18.0.2", "evil", "172.18.0.2"),
        ("172.18.0.2", None, "172.18.0.2"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(peer, forwarded, client):
    """What a stranger claims to forward is not looked at."""
    assert PROXIES.client(peer, forwarded) == client


@pytest.mark.parametrize(
    ("peer", "host", "proto", "forwarded_host", "base"),
    [
        ("203.0.113.9", "r.example", "https", "evil.example", "http://r.example"),
        ("172.18.0.2", "internal", "https", "r.example:8443", "https://r.example:8443"),
        ("172.18.0.2", "r.example", "gopher", None, "http://r.example"),
        ("172.18.0.2", "r.example", "https", "evil.example/\r\nX: y", "https://r.example"),
        ("172.18.0.2", "[::1]:5000", None, None, "http://[::1]:5000"),
        ("203.0.113.9", "a b", None, None, ""),
        ("203.0.113.9", None, None, None, ""),
    ],
)
def test_the_address_of_the_service_is_what_a_trusted_proxy_says(peer, host, proto, forwarded_host, base):
    """Else it is the Host header, if that can be a host at all."""
    found = PROXIES.base_url(peer, scheme="http", host=host, forwarded_proto=proto, forwarded_host=forwarded_host)
    assert found == base
