"""Lossless removal of metadata (place, time, device, owner) from JPEG and PNG pictures. Pure."""

import zlib
from collections.abc import Iterator

_JPEG_KEPT = frozenset({0xE0, 0xE2, 0xEE})  # JFIF, colour profile, Adobe's colour transform
_PNG_DROPPED = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"})
_PNG_SIGNATURE = 8


def without_metadata(content: bytes, extension: str, orientation: int) -> bytes:
    """Return a valid picture without metadata and without a second picture behind it, but with its Exif orientation.

    GIFs stay as they are: no camera makes them.
    """
    if extension == "jpg":
        return b"".join(_jpeg(content, orientation))
    if extension == "png":
        return b"".join(_png(content, orientation))
    return content


def _tiff(orientation: int) -> bytes:
    """Return an Exif block with the orientation only."""
    head = b"MM\x00*" + (8).to_bytes(4, "big") + (1).to_bytes(2, "big")
    entry = (0x0112).to_bytes(2, "big") + (3).to_bytes(2, "big") + (1).to_bytes(4, "big")
    return head + entry + orientation.to_bytes(2, "big") + bytes(2) + bytes(4)


def _jpeg(content: bytes, orientation: int) -> Iterator[bytes]:
    yield content[:2]
    if orientation > 1:
        block = b"Exif\x00\x00" + _tiff(orientation)
        yield b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    at = 2
    while at + 4 <= len(content):
        marker, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a fill byte before the marker
            at += 1
            continue
        if marker == 0xDA:
            yield content[at : _end_of_image(content, at)]
            return
        application = 0xE0 <= marker <= 0xEF and marker not in _JPEG_KEPT
        preview = marker == 0xE2 and content[at + 4 : at + 8] == b"MPF\x00"  # points to a second picture
        if not (application or preview or marker == 0xFE):
            yield content[at : at + 2 + size]
        at += 2 + size
    yield content[at:]


def _end_of_image(content: bytes, start: int) -> int:
    """Return the end of the EOI marker, which cannot occur within data, where FF is followed by 00."""
    found = content.find(b"\xff\xd9", start)
    return len(content) if found < 0 else found + 2


def _png(content: bytes, orientation: int) -> Iterator[bytes]:
    yield content[:_PNG_SIGNATURE]
    at = _PNG_SIGNATURE
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind not in _PNG_DROPPED:
            yield content[at : at + 12 + size]
        if kind == b"IHDR" and orientation > 1:
            block = b"eXIf" + _tiff(orientation)
            yield (len(block) - 4).to_bytes(4, "big") + block + zlib.crc32(block).to_bytes(4, "big")
        at += 12 + size
        if kind == b"IEND":
            return
