"""A page in a content coding: decoded, scanned, and coded again."""

from __future__ import annotations

from .coding import Coding
from .head import Scanner
from .xhtml import XmlScanner


class CodedScanner:
    """Does to a coded document what a scanner does to a plain one, chunk by chunk.

    :param scanner: of the plain document
    :param coding: the document's own, in which it goes out again
    """

    def __init__(self, scanner: Scanner | XmlScanner, coding: Coding) -> None:
        self._scanner = scanner
        self._decoder = coding.decoder()
        self._encoder = coding.encoder()

    @property
    def found(self) -> bool:
        """The markup went in."""
        return self._scanner.found

    @property
    def done(self) -> bool:
        """Nothing is looked for any more."""
        return self._scanner.done

    @property
    def is_whole(self) -> bool:
        """The coded bytes came to their proper end."""
        return self._decoder.ended

    def feed(self, chunk: bytes) -> bytes:
        """Take the document's next coded bytes; return what may go out now, decodable at once.

        :raises CodingError: if they are not of the coding
        """
        encoder, scanner = self._encoder, self._scanner
        out = [encoder.encode(scanner.feed(piece)) for piece in self._decoder.decode(chunk)]
        return b"".join((*out, encoder.flush())) if out else b""

    def close(self) -> bytes:
        """Take the document's end; return the rest. One that was cut off stays cut off."""
        encoder, scanner = self._encoder, self._scanner
        if self.is_whole:
            return encoder.encode(scanner.close()) + encoder.finish()
        rest = scanner.release()
        return encoder.encode(rest) + encoder.flush() if rest else b""
