"""What is wrong with a certificate and its key is said by file, reason and remedy, and nothing is said of a good pair."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from registry_app import issuing
from stackgen.certificate_pair import CertificatePair, FaultKind, PairFile, find_faults

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOST = "registry.example.com"
AUTHORITY = issuing.make_authority(now=NOW)
STRANGER = issuing.make_authority(now=NOW)
LEAF = issuing.issue(AUTHORITY, [HOST], now=NOW)
OTHER = issuing.issue(AUTHORITY, ["other.example.com"], now=NOW)
CHAIN = LEAF.certificate_pem + AUTHORITY.certificate_pem
ENCODING, FORMAT = serialization.Encoding, serialization.PrivateFormat
PLAIN, PASSPHRASE = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")


def faults(chain=CHAIN, key=LEAF.key_pem, *, host=HOST, now=NOW):
    """What is found in a pair of these contents."""
    pair = CertificatePair(PairFile(Path("c.pem"), chain), PairFile(Path("k.pem"), key))
    return find_faults(pair, host, now=now)


def rsa_key(bits):
    """A PEM key of that size."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(ENCODING.PEM, FORMAT.TraditionalOpenSSL, PLAIN)


def test_nothing_is_wrong_with_a_good_pair():
    """With its authority or alone, with CRLF, with the key in an older form."""
    assert faults() == ()
    assert faults(LEAF.certificate_pem) == ()
    assert faults(CHAIN.replace(b"\n", b"\r\n"), LEAF.key_pem.replace(b"\n", b"\r\n")) == ()
    assert faults(key=LEAF.key.private_bytes(ENCODING.PEM, FORMAT.TraditionalOpenSSL, PLAIN)) == ()


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (LEAF.certificate_pem.rstrip() + AUTHORITY.certificate_pem, LEAF.key_pem),
        (CHAIN.replace(b"-----BEGIN", b"  -----BEGIN"), LEAF.key_pem),
        (CHAIN.replace(b"\n", b" "), LEAF.key_pem),
        (CHAIN, LEAF.key_pem.replace(b"-----BEGIN", b" -----BEGIN")),
    ],
)
def test_marks_that_share_a_line_are_refused_as_openssl_refuses_them(tmp_path, chain, key):
    """Files joined without a line break between them, a block indented as in YAML, all on one line."""
    (tmp_path / "c.pem").write_bytes(chain)
    (tmp_path / "k.pem").write_bytes(key)
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    (fault,) = faults(chain, key)
    assert fault.kind.stops_a_server
    assert "shares its line" in fault.reason
    assert "line of its own" in fault.remedy


@pytest.mark.parametrize(
    ("chain", "key", "file", "reason", "remedy"),
    [
        (None, LEAF.key_pem, "c.pem", "is missing", "into c.pem"),
        (CHAIN, None, "k.pem", "is missing", "key of c.pem"),
        (b"", LEAF.key_pem, "c.pem", "is empty", "into c.pem"),
        (CHAIN, b"\n", "k.pem", "is empty", "into k.pem"),
        (b"hello", LEAF.key_pem, "c.pem", "no PEM certificate", "into c.pem"),
        (CHAIN[:200], LEAF.key_pem, "c.pem", "damaged", "into c.pem"),
        (CHAIN, LEAF.key_pem[:100] + LEAF.key_pem[-30:], "k.pem", "damaged", "into k.pem"),
        (LEAF.key_pem, CHAIN, "c.pem", "swapped", "mv c.pem c.swap && mv k.pem c.pem && mv c.swap k.pem"),
        (LEAF.key_pem, LEAF.key_pem, "c.pem", "private key and no certificate", "into c.pem"),
        (CHAIN, CHAIN, "k.pem", "certificate and no key", "into k.pem"),
        (LEAF.certificate.public_bytes(ENCODING.DER), LEAF.key_pem, "c.pem", "binary", "openssl x509 -inform der -in"),
        (CHAIN, LEAF.key.private_bytes(ENCODING.DER, FORMAT.PKCS8, PLAIN), "k.pem", "binary", "openssl pkey -in k.pem"),
        (
            CHAIN,
            LEAF.key.private_bytes(ENCODING.PEM, FORMAT.PKCS8, PASSPHRASE),
            "k.pem",
            "encrypted",
            "openssl pkey -in k.pem -out k.pem.new && mv k.pem.new k.pem",
        ),
        (
            CHAIN,
            LEAF.key.private_bytes(ENCODING.PEM, FORMAT.TraditionalOpenSSL, PASSPHRASE),
            "k.pem",
            "encrypted",
            "openssl pkey -in k.pem",
        ),
        (CHAIN, LEAF.key.private_bytes(ENCODING.PEM, FORMAT.OpenSSH, PLAIN), "k.pem", "OpenSSH", "key of c.pem"),
        (
            CHAIN,
            LEAF.key.public_key().public_bytes(ENCODING.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "k.pem",
            "public half",
            "key of c.pem",
        ),
        (
            LEAF.certificate_pem.replace(b" CERTIFICATE", b" CERTIFICATE REQUEST"),
            LEAF.key_pem,
            "c.pem",
            "signing request",
            "into c.pem",
        ),
        (
            LEAF.certificate_pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
            LEAF.key_pem,
            "c.pem",
            "form of OpenSSL's own",
            "openssl x509 -in c.pem",
        ),
        (CHAIN, OTHER.key_pem, "k.pem", "is not the key of c.pem", "into k.pem"),
        (AUTHORITY.certificate_pem + LEAF.certificate_pem, LEAF.key_pem, "c.pem", "at place 2", "the server's own"),
    ],
)
def test_a_pair_that_stops_a_server_is_named(chain, key, file, reason, remedy):
    """By the file at fault, and with what to type."""
    (found,) = faults(chain, key)
    assert found.kind.stops_a_server
    assert (str(found.file), reason in found.reason, remedy in found.remedy) == (file, True, True), found


def test_a_short_rsa_key_is_refused():
    """OpenSSL would refuse it when the server starts."""
    assert "1024 bits" in faults(key=rsa_key(1024))[0].reason
    assert faults(key=rsa_key(2048))[0].kind is FaultKind.MISMATCH


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"host": "other.example.com"}, FaultKind.OTHER_HOST, "is for registry.example.com, not for other.example.com"),
        ({"now": NOW + dt.timedelta(days=400)}, FaultKind.ENDED, "and today is 2027-12-26"),
        ({"now": NOW + dt.timedelta(days=377)}, FaultKind.ENDING, "ends in 20 days, on 2027-12-23 at 12:00 UTC"),
        ({"now": NOW + dt.timedelta(days=397, minutes=-90)}, FaultKind.ENDING, "ends in 90 minutes"),
        ({"now": NOW - dt.timedelta(days=2)}, FaultKind.EARLY, "is valid from 2026-11-21"),
        ({"chain": CHAIN + LEAF.key_pem}, FaultKind.EXPOSED, "private key too"),
        ({"chain": LEAF.certificate_pem + STRANGER.certificate_pem}, FaultKind.DISORDER, "certificate 2"),
    ],
)
def test_what_clients_complain_of_does_not_stop_a_server(changed, kind, words):
    """Each by its own kind."""
    (found,) = faults(**changed)
    assert (found.kind, found.kind.stops_a_server) == (kind, False)
    assert words in found.reason


def test_a_wrong_host_names_the_setting():
    """Both ways out: another certificate, or the name that this one is for."""
    (found,) = faults(host="localhost")
    assert "SERVICE_DOMAIN" in found.remedy
    assert f"--domain {HOST}" in found.remedy


@given(chain=st.binary(max_size=300), key=st.binary(max_size=300), cut=st.integers(0, len(CHAIN)))
def test_no_content_is_too_odd_to_be_judged(chain, key, cut):
    """Noise, and good files cut anywhere, are findings and never an exception."""
    assert faults(chain, key)
    faults(CHAIN[:cut] + chain, LEAF.key_pem[:cut] + key)
