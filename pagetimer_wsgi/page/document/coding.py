"""Content codings (RFC 9110, 8.4.1): a coded page to plain bytes and back, as a stream.

gzip (RFC 1952) and deflate (RFC 1950, 1951) are always there; br (RFC 7932) and zstd (RFC 8878)
where a library is. Importing this module imports none of these libraries.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

PIECE = 64 * 1024  # plain bytes that decoding gives at once, at most
STEP = 16 * 1024  # coded bytes decoded at once: libraries copy over and over what they still hold
ZSTD_WINDOW = 23  # log2 of bytes; no larger one in HTTP (RFC 9659), and browsers refuse it

# Pages are encoded anew on the host's CPU. On 200 KB one step further costs gzip 1.3 times the
# time for 5 % fewer bytes, br 1.5 times for 8 %, zstd 1.3 times for none.
GZIP_LEVEL, BROTLI_QUALITY, ZSTD_LEVEL = 4, 4, 3

GZIP, ZLIB, RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS  # zlib's wbits


class CodingError(ValueError):
    """Bytes that are not of the coding that they were said to be of."""


class Stream(Protocol):
    """One run of coded bytes with an end of its own: a gzip member, a zstd frame.

    Whatever `max_length` has held back comes with the next calls, the last of them for ``b""``.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


# Called with bytes where a stream may begin, and whether they are the body's first. None: these
# bytes and all that follow mean nothing.
Opening = Callable[[bytes, bool], "Stream | None"]


class Decoder:
    """Takes the coded bytes of one response, gives the plain ones."""

    def __init__(self, opening: Opening, failure: type[Exception], step: int = STEP) -> None:
        self._opening = opening
        self._failure = failure  # what the library raises
        self._step = step
        self._stream: Stream | None = None
        self._over = False

    @property
    def ended(self) -> bool:
        """Whether the bytes came to their proper end; a truncated body and an empty one do not."""
        return self._stream is not None and self._stream.eof

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Take the next coded bytes; give the plain ones that they make.

        :return: pieces of 1 to ``PIECE`` bytes, each made when it is asked for; take them all
            before the next call
        :raises CodingError: while they are asked for; nothing can be decoded any more
        """
        for start in range(0, len(data), self._step):
            rest = data[start : start + self._step]
            while rest and (stream := self._stream_of(rest)):
                yield from self._pieces(stream, rest)
                rest = stream.unused_data

    def _stream_of(self, data: bytes) -> Stream | None:
        """The stream that goes on or begins with the bytes."""
        if self._stream is None or self._stream.eof:
            opened = None if self._over else self._opening(data, self._stream is None)
            if opened is None:
                self._over = True
                return None
            self._stream = opened
        return self._stream

    def _pieces(self, stream: Stream, data: bytes) -> Iterator[bytes]:
        plain = self._plain(stream, data)
        while plain:
            for start in range(0, len(plain), PIECE):
                yield plain[start : start + PIECE]
            plain = b"" if stream.eof else self._plain(stream, b"")

    def _plain(self, stream: Stream, data: bytes) -> bytes:
        try:
            return stream.decompress(data, PIECE)
        except self._failure as error:
            raise CodingError(f"the page cannot be decoded: {error}") from error


class Encoder(NamedTuple):
    """Takes the plain bytes of one response, gives coded ones.

    :ivar encode: plain bytes -> coded ones, as far as they are settled
    :ivar flush: -> what makes all of it decodable now
    :ivar finish: -> the rest and the end; nothing may follow. Never to be called where the body
        was truncated, so that its receiver notices as well
    """

    encode: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


class Coding(NamedTuple):
    """A content coding; its parts are made anew for each response."""

    decoder: Callable[[], Decoder]
    encoder: Callable[[], Encoder]


def find_coding(name: str) -> Coding | None:
    """Return the coding that a Content-Encoding names.

    :param name: the header's value
    :return: None where it names none, several, or one that is not known here or whose library is
        not installed
    """
    find = _CODINGS.get(name.strip().lower())
    return find() if find else None


# --- gzip and deflate -------------------------------------------------------------------------


class _Zlib:
    def __init__(self, window: int) -> None:
        self._object = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


def _zlib_encoder(window: int) -> Encoder:
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, window)
    return Encoder(
        compressor.compress, partial(compressor.flush, zlib.Z_SYNC_FLUSH), compressor.flush
    )


def _gzip_member(data: bytes, first: bool) -> Stream | None:
    # Padding after the last member means nothing to browsers, nor to the gzip command.
    return _Zlib(GZIP) if first or data.startswith(b"\x1f") else None


def _deflate_stream(data: bytes, first: bool) -> Stream | None:
    # Some servers leave zlib's wrapper out, and browsers take both. A wrapper's first byte ends
    # in 8 (RFC 1950, 2.2); as raw deflate that is a stored block whose padding is not zero.
    wrapped = data[0] & 0x0F == 8
    return _Zlib(ZLIB if wrapped else RAW_DEFLATE) if first else None


def _gzip() -> Coding:
    return Coding(partial(Decoder, _gzip_member, zlib.error), partial(_zlib_encoder, GZIP))


def _deflate() -> Coding:
    return Coding(partial(Decoder, _deflate_stream, zlib.error), partial(_zlib_encoder, ZLIB))


# --- br ---------------------------------------------------------------------------------------


class _Brotli:
    unused_data = b""  # bytes that follow make the library fail

    def __init__(self, library: Any) -> None:
        self._object = library.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._object.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain: bytes = self._object.process(data, output_buffer_limit=max_length)
        return plain


def _brotli_stream(library: Any, data: bytes, first: bool) -> Stream:
    if not first:
        raise CodingError("the page cannot be decoded: bytes follow the end of its br stream")
    return _Brotli(library)


def _brotli_encoder(library: Any) -> Encoder:
    compressor = library.Compressor(quality=BROTLI_QUALITY)
    return Encoder(compressor.process, compressor.flush, compressor.finish)


@cache
def _br() -> Coding | None:
    # Before 1.2 either library gives all that its input makes, a bomb's gigabytes too.
    bounded = attrgetter("Decompressor.can_accept_more_data")
    library = _library("brotli", bounded) or _library("brotlicffi", bounded)
    if library is None:
        return None
    return Coding(
        partial(Decoder, partial(_brotli_stream, library), library.error),
        partial(_brotli_encoder, library),
    )


# --- zstd -------------------------------------------------------------------------------------


def _zstd_frame(library: Any, data: bytes, first: bool) -> Stream:
    options = {library.DecompressionParameter.window_log_max: ZSTD_WINDOW}
    stream: Stream = library.ZstdDecompressor(options=options)
    return stream


def _zstd_encoder(library: Any) -> Encoder:
    compressor = library.ZstdCompressor(level=ZSTD_LEVEL)
    flush = partial(compressor.flush, compressor.FLUSH_BLOCK)
    return Encoder(compressor.compress, flush, compressor.flush)


class _Zstandard:
    def __init__(self, library: Any) -> None:
        self._object = library.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW).decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain: bytes = self._object.decompress(data)
        return plain


def _zstandard_frame(library: Any, data: bytes, first: bool) -> Stream:
    return _Zstandard(library)


# This library knows no limit. But four bytes are a block at least, and a block is 128 KiB at most
# (RFC 8878, 3.1.1.2): so few bytes at once make 2 MiB.
ZSTANDARD_STEP = 64


def _zstandard_encoder(library: Any) -> Encoder:
    compressor = library.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    flush = partial(compressor.flush, library.COMPRESSOBJ_FLUSH_BLOCK)
    return Encoder(compressor.compress, flush, compressor.flush)


@cache
def _zstd() -> Coding | None:
    library = _library("compression.zstd") or _library("backports.zstd")
    if library is not None:
        frame = partial(_zstd_frame, library)
        return Coding(partial(Decoder, frame, library.ZstdError), partial(_zstd_encoder, library))
    # Before 0.18 it does not say what follows a frame.
    library = _library("zstandard", lambda it: it.ZstdDecompressor().decompressobj().unused_data)
    if library is None:
        return None
    frame = partial(_zstandard_frame, library)
    return Coding(
        partial(Decoder, frame, library.ZstdError, ZSTANDARD_STEP),
        partial(_zstandard_encoder, library),
    )


def _library(name: str, needed: Callable[[Any], object] = bool) -> Any:
    """The module of that name, if it is installed and has what is needed of it."""
    try:
        library = import_module(name)
        needed(library)
    except (ImportError, AttributeError):
        return None
    return library


_CODINGS: dict[str, Callable[[], Coding | None]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _br,
    "zstd": _zstd,
}
