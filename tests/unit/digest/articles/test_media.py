"""Pictures: what is taken, and what is refused with a reason."""

import hashlib
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from digest.articles.media import MAX_BYTES, load_image, read_image
from digest.runtime.errors import ContentError

MakeImage = Callable[..., bytes]


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("GIF", "gif")])
def test_a_picture_is_known_by_its_bytes(image: MakeImage, tmp_path: Path, kind: str, extension: str) -> None:
    content = image(size=(40, 30), kind=kind)
    (tmp_path / "misleading.webp").write_bytes(content)
    loaded = load_image(tmp_path, tmp_path, "misleading.webp")
    assert (loaded.extension, loaded.width, loaded.height, loaded.content) == (extension, 40, 30, content)
    assert loaded.hash == hashlib.sha256(content).hexdigest()


def test_a_picture_that_a_telephone_turned_has_the_size_as_shown() -> None:
    stream, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(stream, "JPEG", exif=exif)
    loaded = read_image(stream.getvalue(), "a.jpg")
    assert (loaded.width, loaded.height) == (30, 40)


def huge_png(width: int, height: int) -> bytes:
    """A small file that says it is a huge picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(8_000, 6_000), (10_000, 10_000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(ContentError, match="more than 40,000,000 pixels"):
        read_image(huge_png(*size), "bomb.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_half_a_picture_is_refused(image: MakeImage, kind: str) -> None:
    content = image(size=(300, 200), kind=kind)
    with pytest.raises(ContentError, match=r"half is damaged|half is not in a format"):
        read_image(content[: len(content) // 2], "half")


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"%!PS-Adobe-3.0", b"GIF89a"],
    ids=["empty", "text", "svg", "webp", "postscript", "cut gif"],
)  # fmt: skip
def test_what_mail_readers_do_not_show_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError) as refused:
        read_image(content, "x.svg")
    assert "x.svg" in refused.value.message
    assert refused.value.hint


def test_a_webp_is_refused_with_the_formats_that_do(image: MakeImage) -> None:
    with pytest.raises(ContentError, match="not supported in mail") as refused:
        read_image(image(kind="WEBP"), "x.webp")
    assert "PNG" in refused.value.hint


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ContentError, match="5,000,001 bytes; the limit is 5,000,000"):
        load_image(tmp_path, tmp_path, "big.png")


@pytest.mark.parametrize(
    ("src", "words"),
    [
        ("missing.png", "does not exist"),
        ("folder.png", "is a folder"),
        ("", "is a folder"),
        ("../outside.png", "is outside"),
        ("sub/../../outside.png", "is outside"),
        ("link.png", "is outside"),
        ("/etc/hostname", "is outside"),
        ("loop.png", "was not found"),
        ("a\x00b.png", "was not found"),
        ("x" * 5000, "cannot be read"),
        ("https://example.org/x.png", "is not a file"),
        ("//example.org/x.png", "is not a file"),
        ("data:image/png;base64,AAAA", "is not a file"),
        ("file:///etc/hostname", "is not a file"),
    ],
)
def test_a_path_that_leads_to_no_picture_of_ours_is_refused(
    image: MakeImage, tmp_path: Path, src: str, words: str
) -> None:
    root = tmp_path / "root"
    (root / "folder.png").mkdir(parents=True)
    (root / "sub").mkdir()
    (tmp_path / "outside.png").write_bytes(image())
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    with pytest.raises(ContentError, match=words):
        load_image(root, root, src)


def test_a_folder_above_the_article_is_fine_below_the_root(image: MakeImage, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(image())
    assert load_image(tmp_path, tmp_path / "2021", "../images/a.png").extension == "png"
