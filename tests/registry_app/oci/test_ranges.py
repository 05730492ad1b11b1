"""Byte ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.ranges import ByteRange, parse_byte_ranges, parse_content_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=2-", [(2, 9)]),
        ("bytes=-3", [(7, 9)]),
        ("bytes=-99", [(0, 9)]),
        ("bytes=5-99", [(5, 9)]),
        ("bytes=0-1, 4-5,8-", [(0, 1), (4, 5), (8, 9)]),
        ("BYTES=0-1", [(0, 1)]),
        ("bytes=-" + "9" * 5000, [(0, 9)]),
        ("bytes=8-" + "9" * 5000, [(8, 9)]),
        ("bytes=0-1,50-60", [(0, 1)]),
        ("bytes=" + "0" * 5000 + "1-" + "0" * 5000 + "2", [(1, 2)]),
        (None, None),
        ("", None),
        ("lines=0-1", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=5-2", None),
        ("bytes=0-1;2", None),
        ("bytes=0-,0-", None),
        ("bytes=" + "0-0," * 2000, None),
    ],
)
def test_a_range_header_gives_the_bytes_that_exist(header, expected):
    """Satisfiable ranges come back in order; a header that makes no sense is ignored."""
    ranges = parse_byte_ranges(header, 10)
    assert (ranges and [(one.start, one.end) for one in ranges]) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_a_range_beyond_the_end_cannot_be_satisfied(header):
    """416 tells the size."""
    with pytest.raises(RegistryError) as caught:
        parse_byte_ranges(header, 10)
    assert caught.value.code is ErrorCode.RANGE_INVALID
    assert caught.value.headers == {"Content-Range": "bytes */10"}


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
def test_no_range_leaves_the_content(header, size):
    """Whatever the header says, every byte asked for exists, and never more than all of them."""
    try:
        ranges = parse_byte_ranges(header, size)
    except RegistryError:
        return
    for one in ranges or ():
        assert 0 <= one.start <= one.end < size
    assert sum(one.length for one in ranges or ()) <= size


@pytest.mark.parametrize("header", ["0-9", "bytes 0-9/*", "bytes 0-9/10", " 0-9 "])
def test_a_chunk_tells_its_place(header):
    """The specification's form and RFC 9110's mean the same."""
    assert parse_content_range(header) == ByteRange(0, 9)


@pytest.mark.parametrize("header", ["", "0-", "-9", "9-0", "a-b", "0-9-", "bytes */10", "0-" + "9" * 20])
def test_a_chunk_without_a_place_is_refused(header):
    """A Content-Range that is not understood is never guessed at."""
    with pytest.raises(RegistryError) as caught:
        parse_content_range(header)
    assert caught.value.code is ErrorCode.RANGE_INVALID
