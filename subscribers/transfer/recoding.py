"""A file of subscribers as UTF-8 with line feeds, whatever its encoding and its line ends; memory stays flat."""

import codecs
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Final

from subscribers.errors import ImportFileError
from subscribers.text_files import known_encoding, likely_encoding
from subscribers.transfer.lines import is_xml

_CHUNK: Final = 1 << 20
_SAMPLE: Final = 1 << 16


@contextmanager
def readable(stream: BinaryIO, encoding: str = "") -> Iterator[BinaryIO]:
    """Yield the stream, or a temporary file in its place.

    `encoding` is for what holds no characters of UTF-8. A file of which most lines outside ASCII are something else
    raises ImportFileError with the likely encoding; single lines are left to the reader.
    """
    if encoding and not known_encoding(encoding):
        raise ImportFileError(f"Unknown encoding {encoding[:40]!r}", hint="Use a name such as cp949 or cp1252.")
    with ExitStack() as files:
        if not stream.seekable():
            stream = _written(files, _chunks(stream))
        bad, good, first, sample = _outside_ascii(stream)
        if _is_xml(stream):  # which says its own encoding
            yield stream
        elif encoding and bad >= good:
            yield _written(files, _recoded(stream, encoding))
        elif bad > good:
            raise _not_utf8(first, sample)
        elif _has_line_feeds(stream):
            yield stream
        else:
            yield _written(files, _chunks(stream))


def _not_utf8(line: int, sample: bytes) -> ImportFileError:
    likely, called = likely_encoding(sample)
    hint = f"Add --encoding {likely}, or save" if likely else "Specify it with --encoding, or save"
    return ImportFileError(
        f"The file is not UTF-8 (line {line})" + (f"; it is probably {called}" if called else ""),
        hint=f"{hint} it as UTF-8; spreadsheet programs call this 'CSV UTF-8'.",
    )


def _is_xml(stream: BinaryIO) -> bool:
    start = stream.readline(_CHUNK)
    stream.seek(0)
    return is_xml(start)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _has_line_feeds(stream: BinaryIO) -> bool:
    start = stream.read(_CHUNK)
    stream.seek(0)
    return b"\n" in start or b"\r" not in start


def _written(files: ExitStack, chunks: Iterator[bytes]) -> BinaryIO:
    """Return a temporary file with the chunks; where they have no line feed, a carriage return ends a line."""
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    returns = None
    for chunk in chunks:
        if returns is None:
            returns = b"\n" not in chunk
        file.write(chunk.replace(b"\r", b"\n") if returns else chunk)
    file.seek(0)
    return file


def _recoded(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        for chunk in _chunks(stream):
            text = decoder.decode(chunk)
            line += text.count("\n")
            yield text.encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        hint = "Use the right encoding, or save the file as UTF-8."
        raise ImportFileError(f"The file is not {encoding}: line {line} cannot be decoded", hint=hint) from error


def _outside_ascii(stream: BinaryIO) -> tuple[int, int, int, bytes]:
    """Return how many lines hold characters that are not UTF-8, and that are; the first of those, and some of them."""
    bad, good, first, sample = 0, 0, 0, bytearray()
    for number, line in enumerate(iter(lambda: stream.readline(_CHUNK), b""), start=1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            good += 1
        except UnicodeDecodeError:
            bad, first = bad + 1, first or number
            sample += line[:_SAMPLE] if len(sample) < _SAMPLE else b""
    stream.seek(0)
    return bad, good, first, bytes(sample)
