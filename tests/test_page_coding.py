"""Content codings: decoded and encoded as streams, whatever the chunks, by every library."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import shutil
import socketserver
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from browser import require
from hypothesis import given, settings
from hypothesis import strategies as st

from pagetimer_wsgi.page.document import coding
from pagetimer_wsgi.page.document.coding import PIECE, Coding, CodingError, Decoder, find_coding

OWN_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
LIBRARIES = ("brotli", "brotlicffi", "compression.zstd", "backports.zstd", "zstandard")
MIB = 1024 * 1024
PAGE = b"<!doctype html><title>a</title>" + b"".join(b"<p>%d" % (i * i) for i in range(400))


def library(name: str) -> Any:
    """A library by the name of its module; the test is skipped where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        require(False, f"{name} is not installed")


@cache
def coding_by(name: str, by: str | None) -> Coding:
    """A coding by one of the libraries that can do it, the others gone."""
    if by is not None:
        library(by)
    with looking_anew({other: None for other in LIBRARIES if other != by}):
        found = find_coding(name)
    assert found is not None
    return found


@contextlib.contextmanager
def looking_anew(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """While it lasts, these modules are what is installed; None is nothing."""
    finders = (coding._br, coding._zstd)
    with mock.patch.dict(sys.modules, modules), contextlib.ExitStack() as after:
        for finder in finders:
            finder.cache_clear()
            after.callback(finder.cache_clear)
        yield


# --- the codings, and others' word on each ------------------------------------------------------


def gunzip(coded: bytes) -> bytes:
    return command("gzip", "-dc", coded)


def unzstd(coded: bytes) -> bytes:
    return command("zstd", "-dc", coded) if shutil.which("zstd") else zstandard_reads(coded)


def command(name: str, argument: str, coded: bytes) -> bytes:
    ran = subprocess.run([name, argument], input=coded, capture_output=True, check=True)
    assert not ran.stderr
    return ran.stdout


def zstandard_reads(coded: bytes) -> bytes:
    return bytes(library("zstandard").ZstdDecompressor().decompressobj().decompress(coded))


def by_zstandard(plain: bytes) -> bytes:
    return bytes(library("zstandard").ZstdCompressor(level=5).compress(plain))


def by_own_zstd(plain: bytes) -> bytes:
    return bytes(library(OWN_ZSTD).compress(plain, level=5))


def raw_deflate(plain: bytes, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(plain) + compressor.flush()


class Variant(NamedTuple):
    """A coding by one library, and the same by others than ours.

    :ivar code: plain -> coded
    :ivar read: coded -> plain, of a whole stream
    :ivar reader: -> what reads a stream as it comes, as a browser does
    """

    name: str
    by: str | None
    code: Callable[[bytes], bytes]
    read: Callable[[bytes], bytes]
    reader: Callable[[], Callable[[bytes], bytes]]

    @property
    def coding(self) -> Coding:
        return coding_by(self.name, self.by)

    def encode(self, *chunks: bytes) -> bytes:
        encoder = self.coding.encoder()
        return b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.finish()


def gzip_reader() -> Callable[[bytes], bytes]:
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress


def zlib_reader() -> Callable[[bytes], bytes]:
    return zlib.decompressobj().decompress


def zstd_reader() -> Callable[[bytes], bytes]:
    return library("zstandard").ZstdDecompressor().decompressobj().decompress


def brotli_reader(name: str) -> Callable[[bytes], bytes]:
    process = library(name).Decompressor().process
    # brotlicffi keeps what does not fit in the buffer that it happens to choose.
    return lambda coded: bytes(process(coded) + process(b""))


def br(by: str, other: str) -> Variant:
    return Variant(
        "br",
        by,
        lambda plain: library(other).compress(plain, quality=5),
        lambda coded: library(other).decompress(coded),
        lambda: brotli_reader(other),
    )


VARIANTS = {
    "gzip": Variant("gzip", None, gzip.compress, gzip.decompress, gzip_reader),
    "x-gzip": Variant("x-gzip", None, gzip.compress, gunzip, gzip_reader),
    "deflate": Variant("deflate", None, zlib.compress, zlib.decompress, zlib_reader),
    "raw deflate": Variant("deflate", None, raw_deflate, zlib.decompress, zlib_reader),
    "br by brotli": br("brotli", other="brotlicffi"),
    "br by brotlicffi": br("brotlicffi", other="brotli"),
    "zstd by Python's own": Variant("zstd", OWN_ZSTD, by_zstandard, unzstd, zstd_reader),
    "zstd by zstandard": Variant("zstd", "zstandard", by_own_zstd, unzstd, zstd_reader),
}


def of(*names: str) -> Any:
    """Run the test with each variant of these codings."""
    chosen = {key: variant for key, variant in VARIANTS.items() if variant.name in names}
    return pytest.mark.parametrize("variant", chosen.values(), ids=chosen.keys())


every_variant = of("gzip", "x-gzip", "deflate", "br", "zstd")


def decode(decoder: Decoder, chunks: Iterable[bytes]) -> bytes:
    return b"".join(piece for chunk in chunks for piece in decoder.decode(chunk))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def assert_at_every_split(found: Coding, coded: bytes, plain: bytes) -> None:
    """Decoded whole, in single bytes, and cut in two anywhere it is the plain bytes, to the end."""
    splits = [[], range(len(coded)), *[[place] for place in range(len(coded))]]
    for places in splits:
        decoder = found.decoder()
        assert decode(decoder, cut(coded, places)) == plain
        assert decoder.ended


# --- finding a coding -----------------------------------------------------------------------------


def test_no_library_is_imported_before_a_coding_is_asked_for() -> None:
    script = (
        "import sys; import pagetimer_wsgi.page.document.coding as coding;"
        "assert coding.find_coding('gzip') and coding.find_coding('deflate');"
        f"assert not set({LIBRARIES!r}) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("name", ["gzip", "GZIP", " gzip\t", "x-gzip", "X-GZip", "deflate"])
def test_a_coding_is_found_however_it_is_spelled(name: str) -> None:
    assert find_coding(name) is not None


@pytest.mark.parametrize(
    "name", ["", "identity", "compress", "exi", "gzip, br", "gzip,gzip", "gzip;q=1", "*", "gzıp"]
)
def test_anything_else_and_several_are_no_coding_of_ours(name: str) -> None:
    assert find_coding(name) is None


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_a_coding_without_a_library_is_not_found(name: str) -> None:
    with looking_anew(dict.fromkeys(LIBRARIES)):
        assert find_coding(name) is None


def old(name: str, **has: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(has)
    return module


class OldDecompressor:
    """What all these libraries' decompressors were before they could do what is needed."""

    def decompressobj(self) -> OldDecompressor:
        return self


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("br", old("brotli", Decompressor=OldDecompressor)),
        ("br", old("brotlicffi", Decompressor=OldDecompressor)),
        ("zstd", old("zstandard", ZstdDecompressor=OldDecompressor)),
    ],
    ids=["brotli", "brotlicffi", "zstandard"],
)
def test_a_library_too_old_is_as_good_as_none(name: str, library: ModuleType) -> None:
    with looking_anew({**dict.fromkeys(LIBRARIES), library.__name__: library}):
        assert find_coding(name) is None


# --- round trips ----------------------------------------------------------------------------------

texts = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"<p>", b"</p>", b"a", b" \n", b"<br>"]), max_size=200).map(b"".join),
)


@every_variant
@settings(max_examples=60, deadline=None)
@given(plain=texts, data=st.data())
def test_what_others_coded_is_decoded_at_every_split(
    variant: Variant, plain: bytes, data: st.DataObject
) -> None:
    coded = variant.code(plain)
    places = data.draw(st.lists(st.integers(0, len(coded)), max_size=5))
    for cuts in ([], places, range(len(coded))):
        decoder = variant.coding.decoder()
        assert decode(decoder, cut(coded, cuts)) == plain
        assert decoder.ended


@every_variant
@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(texts, max_size=6), flushed=st.lists(st.booleans(), min_size=6))
def test_whatever_was_flushed_others_can_decode_at_once(
    variant: Variant, chunks: list[bytes], flushed: list[bool]
) -> None:
    encoder, read = variant.coding.encoder(), variant.reader()
    given_in = given_out = b""
    for chunk, flush in zip(chunks, flushed, strict=False):
        given_in += chunk
        given_out += read(encoder.encode(chunk) + (encoder.flush() if flush else b""))
        assert given_out == given_in if flush else given_in.startswith(given_out)
    assert given_out + read(encoder.finish()) == given_in


@every_variant
def test_the_whole_is_what_others_decode(variant: Variant) -> None:
    assert variant.read(variant.encode(*cut(PAGE, range(0, len(PAGE), 100)))) == PAGE
    assert variant.read(variant.encode()) == b""


@every_variant
def test_a_page_is_coded_smaller_than_it_was(variant: Variant) -> None:
    assert len(variant.encode(PAGE)) < len(PAGE) / 2


@every_variant
def test_a_page_of_several_steps_comes_through_whole(variant: Variant) -> None:
    noise = b"".join(zlib.crc32(b"%d" % i).to_bytes(4, "big") for i in range(50_000))
    decoder = variant.coding.decoder()
    assert decode(decoder, [variant.code(noise)]) == noise
    assert decoder.ended
    assert decode(variant.coding.decoder(), [variant.encode(noise)]) == noise


@every_variant
def test_two_responses_have_nothing_in_common(variant: Variant) -> None:
    first, second = variant.coding.decoder(), variant.coding.decoder()
    coded = variant.code(PAGE)
    begun = decode(first, [coded[:50]])
    assert decode(second, [coded]) == PAGE
    assert begun + decode(first, [coded[50:]]) == PAGE


# --- what a body may consist of -------------------------------------------------------------------


@of("gzip")
def test_all_members_of_gzip_are_one_page(variant: Variant) -> None:
    coded = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two " * 30)
    assert_at_every_split(variant.coding, coded, b"one " + b"two " * 30)


@of("gzip")
@pytest.mark.parametrize(
    "padding",
    [b"\0", b"\0" * 600, b"\r\n", b"garbage", b"\0" + gzip.compress(b"unseen")],
    ids=["zero", "zeros", "line end", "words", "a member behind padding"],
)
def test_padding_after_the_last_member_means_nothing(variant: Variant, padding: bytes) -> None:
    coded = gzip.compress(b"one ") + gzip.compress(b"two")
    assert_at_every_split(variant.coding, coded + padding, b"one two")


@of("gzip")
def test_every_field_of_a_member_s_header_is_passed_over(variant: Variant) -> None:
    header = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\3\0abcname\0comment\0"
    header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    assert_at_every_split(variant.coding, header + gzip.compress(b"page")[10:], b"page")


@of("deflate")
@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("code", [zlib.compress, raw_deflate], ids=["wrapped", "raw"])
def test_deflate_is_decoded_with_its_wrapper_and_without(
    variant: Variant, code: Callable[..., bytes], level: int
) -> None:
    for plain in (b"", b"a", b"<p>page</p>" * 9):
        assert_at_every_split(variant.coding, code(plain, level), plain)


@of("deflate")
def test_deflate_goes_out_with_its_wrapper(variant: Variant) -> None:
    assert zlib.decompress(variant.encode(PAGE), zlib.MAX_WBITS) == PAGE


@of("deflate")
def test_bytes_after_the_end_of_deflate_mean_nothing(variant: Variant) -> None:
    coded = zlib.compress(b"page") + zlib.compress(b"unseen")
    assert_at_every_split(variant.coding, coded, b"page")


@of("zstd")
def test_all_frames_of_zstd_are_one_page(variant: Variant) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    coded = skippable + variant.code(b"one ") + skippable + variant.code(b"") + variant.code(b"two")
    assert_at_every_split(variant.coding, coded, b"one two")


# --- damage ---------------------------------------------------------------------------------------


@every_variant
@pytest.mark.parametrize("size", [1, 1000], ids=["bytes", "whole"])
def test_a_page_that_is_not_coded_is_said_to_be_so(variant: Variant, size: int) -> None:
    plain = b"\n\n<!doctype html><title>a</title><p>not coded at all</p>"
    with pytest.raises(CodingError, match="cannot be decoded"):
        decode(variant.coding.decoder(), cut(plain, range(0, len(plain), size)))


@pytest.mark.parametrize(
    ("name", "code", "header"), [("gzip", gzip.compress, 10), ("deflate", zlib.compress, 0)]
)
def test_no_changed_byte_passes_for_the_page(
    name: str, code: Callable[[bytes], bytes], header: int
) -> None:
    coded, found = code(PAGE), find_coding(name)
    assert found is not None
    for place in range(header, len(coded)):
        changed = coded[:place] + bytes([coded[place] ^ 0x10]) + coded[place + 1 :]
        decoder = found.decoder()
        with contextlib.suppress(CodingError):
            decode(decoder, [changed])
            assert not decoder.ended


@of("br")
@pytest.mark.parametrize("size", [1, 1000], ids=["bytes", "whole"])
def test_bytes_after_the_end_of_br_are_an_error(variant: Variant, size: int) -> None:
    coded = variant.code(b"page") + b"more"
    with pytest.raises(CodingError):
        decode(variant.coding.decoder(), cut(coded, range(0, len(coded), size)))


@of("gzip", "zstd")
def test_a_damaged_second_part_is_an_error(variant: Variant) -> None:
    coded = variant.code(b"page")
    decoder = variant.coding.decoder()
    assert decode(decoder, [coded]) == b"page"
    with pytest.raises(CodingError):
        decode(decoder, [coded[:3] + b"\xff" * 9])


@every_variant
def test_a_truncated_body_has_not_ended(variant: Variant) -> None:
    coded = variant.code(PAGE[:300])
    for size in range(len(coded)):
        decoder = variant.coding.decoder()
        assert PAGE.startswith(decode(decoder, [coded[:size]]))
        assert not decoder.ended


@of("gzip", "zstd")
def test_a_truncated_second_part_has_not_ended(variant: Variant) -> None:
    coded = variant.code(b"page")
    for size in range(1, len(coded)):
        decoder = variant.coding.decoder()
        decode(decoder, [coded + coded[:size]])
        assert not decoder.ended


@every_variant
def test_what_was_flushed_of_a_truncated_body_can_be_read(variant: Variant) -> None:
    encoder = variant.coding.encoder()
    assert variant.reader()(encoder.encode(PAGE) + encoder.flush()) == PAGE


# --- memory ---------------------------------------------------------------------------------------


@every_variant
def test_a_bomb_is_never_blown_up_at_once(variant: Variant) -> None:
    bomb = variant.code(bytes(64 * MIB))
    decoder = variant.coding.decoder()
    tracemalloc.start()
    try:
        sizes = [len(piece) for piece in decoder.decode(bomb)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 64 * MIB
    assert 0 < min(sizes) <= max(sizes) <= PIECE
    assert decoder.ended
    assert peak < 6 * MIB


@of("zstd")
def test_zstd_goes_out_with_a_window_that_browsers_take(variant: Variant) -> None:
    encoder = variant.coding.encoder()
    coded = b"".join(encoder.encode(PAGE * 500) for _ in range(15)) + encoder.finish()
    assert 15 * 500 * len(PAGE) > 16 * MIB
    assert library("zstandard").get_frame_parameters(coded).window_size <= 8 * MIB


@of("zstd")
@pytest.mark.parametrize(
    ("window", "taken"), [(23, True), (24, False)], ids=["8 MiB", "larger than 8 MiB"]
)
def test_zstd_comes_in_with_a_window_that_browsers_take(
    variant: Variant, window: int, taken: bool
) -> None:
    zstandard = library("zstandard")
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=window)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    coded = compressor.compress(b"page") + compressor.flush()
    try:
        assert decode(variant.coding.decoder(), [coded]) == b"page"
    except CodingError:
        assert not taken
    else:
        assert taken


# --- a browser ------------------------------------------------------------------------------------

FIRST = b"<!doctype html><title>a</title><p id=first>one</p>" + b"<p>more</p>" * 100
LAST = b"<p id=last>two</p>"


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *values: object) -> None:
        pass


class Site:
    """A page in two chunks, the second when it is let go; it also notes what the browser takes."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.let_go = threading.Event()
        self.accepted = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        self.accepted = environ["HTTP_ACCEPT_ENCODING"]
        headers = [("Content-Type", "text/html"), ("Content-Encoding", self.variant.name)]
        start_response("200 OK", headers)
        encoder = self.variant.coding.encoder()
        yield encoder.encode(FIRST) + encoder.flush()
        assert self.let_go.wait(30)
        yield encoder.encode(LAST) + encoder.flush()
        yield encoder.finish()


@pytest.mark.browser
@every_variant
def test_a_browser_shows_each_chunk_when_it_was_flushed(variant: Variant, chromium: Any) -> None:
    site = Site(variant)
    with make_server("127.0.0.1", 0, site, Server, Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        page = chromium.new_page()
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/", wait_until="commit")
            assert page.wait_for_selector("#first").inner_text() == "one"
            assert page.query_selector("#last") is None
            site.let_go.set()
            assert page.wait_for_selector("#last").inner_text() == "two"
            assert page.locator("p").count() == 102
        finally:
            site.let_go.set()
            page.close()
            server.shutdown()
    assert variant.name.removeprefix("x-") in site.accepted.split(", ")
