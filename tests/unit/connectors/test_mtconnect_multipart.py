"""Parts of a stream, wherever the network cut it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors.mtconnect.multipart import Multipart, boundary_of
from interwork.connectors.mtconnect.wire import MAX_DOCUMENT, MalformedDocument


def stream(parts):
    return b"".join(
        b"--cut\r\nContent-type: text/xml\r\nContent-length: %d\r\n\r\n%b\r\n" % (len(part), part) for part in parts
    )


@given(
    st.lists(st.binary(max_size=60) | st.just(b"--cut\r\n\r\n"), max_size=6), st.lists(st.integers(1, 40), min_size=1)
)
def test_the_parts_come_out_whole_however_the_octets_arrive(parts, sizes):
    splitter, octets, got = Multipart("cut"), stream(parts), []
    while octets:
        for size in sizes:
            got += splitter.feed(octets[:size])
            octets = octets[size:]
    assert got == parts


@given(st.binary(max_size=300))
def test_any_octets_are_parts_or_malformed(octets):
    with suppress(MalformedDocument):
        assert all(isinstance(part, bytes) for part in Multipart("cut").feed(b"--cut\r\n" + octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"--other\r\nContent-length: 1\r\n\r\nx",
        b"--cut\r\nContent-length: ten\r\n\r\n",
        b"--cut\r\nContent-length: %d\r\n\r\n" % (MAX_DOCUMENT + 1),
        b"--cut\r\nContent-length: %b\r\n\r\n" % (b"9" * 5000),
        b"--cut\r\n" + b"X: y\r\n" * 2000,
    ],
)
def test_a_part_without_boundary_a_readable_length_or_an_end_is_malformed(octets):
    with pytest.raises(MalformedDocument):
        Multipart("cut").feed(octets)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace;boundary=ab12", "ab12"),
        ('multipart/x-mixed-replace; Boundary="a b"; charset=utf-8', "a b"),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["", "text/xml", "multipart/x-mixed-replace", "text/plain; boundary=x"])
def test_a_content_type_without_boundary_is_malformed(content_type):
    with pytest.raises(MalformedDocument):
        boundary_of(content_type)


@given(
    st.lists(st.sampled_from([b"<a>\xc3\xa9</a>", b"<b/>", b"<c>--cu</c>"]), min_size=1, max_size=4), st.integers(1, 9)
)
def test_parts_without_a_length_end_at_the_next_boundary_however_the_octets_arrive(parts, size):
    """machines 26: the network cuts anywhere, in a tag, in a UTF-8 character, in a boundary."""
    whole = b"".join(b"--cut\r\nContent-type: text/xml\r\n\r\n" + part + b"\r\n" for part in parts) + b"--cut"
    splitter = Multipart("cut")
    got = [part for at in range(0, len(whole), size) for part in splitter.feed(whole[at : at + size])]
    assert [part.strip() for part in got] == parts


def test_a_part_without_a_length_and_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr("interwork.connectors.mtconnect.multipart.MAX_DOCUMENT", 1000)
    splitter = Multipart("cut")
    assert splitter.feed(b"--cut\r\n\r\n" + b"x" * 600) == []
    with pytest.raises(MalformedDocument):
        splitter.feed(b"x" * 600)


def test_lines_may_end_with_a_line_feed_alone_and_a_preamble_is_passed_over():
    part = b"--cut\nContent-type: text/xml\nContent-length: 4\n\n<a/>\n"
    for size in (1, 7, 200):
        splitter, octets = Multipart("cut"), b"not for you\n" + part * 3
        got = [one for at in range(0, len(octets), size) for one in splitter.feed(octets[at : at + size])]
        assert got == [b"<a/>"] * 3


def test_after_the_closing_boundary_nothing_comes_any_more():
    splitter = Multipart("cut")
    assert splitter.feed(stream([b"<a/>"]) + b"--cut--\r\n\r\nan epilogue") == [b"<a/>"]
    assert splitter.feed(stream([b"<b/>"])) == []


@pytest.mark.parametrize("named", ["--cut", "----cut", "cut"])
@pytest.mark.parametrize("dashes", [b"--", b"----", b"------"])
def test_dashes_at_a_boundarys_start_are_its_own_or_the_delimiters_as_the_first_part_shows(named, dashes):
    if len(dashes) < len(named) - 3:  # less than the parameter names
        return
    part = dashes + b"cut\r\nContent-length: 4\r\n\r\n<a/>\r\n"
    for size in (1, 5, 200):
        splitter, octets = Multipart(boundary_of(f"multipart/x-mixed-replace;boundary={named}")), part * 3
        got = [one for at in range(0, len(octets), size) for one in splitter.feed(octets[at : at + size])]
        assert got == [b"<a/>"] * 3
