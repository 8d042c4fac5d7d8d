import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from digest.articles.media import read_image
from digest.articles.metadata import without_metadata

GPS, ORIENTATION, MAKER, PLACE = 0x8825, 0x0112, 0x010F, b"37.5665N"


def picture() -> Image.Image:
    image = Image.new("RGB", (40, 20), "teal")
    image.putpixel((0, 0), (255, 128, 0))
    return image


def telling(kind: str, orientation: int = 1) -> bytes:
    """A picture that tells where and with what it was made."""
    exif = Image.Exif()
    exif[MAKER], exif[ORIENTATION] = "SecretPhone", orientation
    exif.get_ifd(GPS)[1] = PLACE.decode()
    file, extra = io.BytesIO(), {}
    if kind == "PNG":
        extra["pnginfo"] = PngImagePlugin.PngInfo()
        extra["pnginfo"].add_text("Author", "SecretPhone")
    picture().save(file, kind, exif=exif, **({"comment": b"SecretPhone"} if kind == "JPEG" else extra))
    return file.getvalue()


def shown(content: bytes) -> tuple[bytes, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB").tobytes(), image.getexif().get(ORIENTATION, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_place_and_device_leave_a_picture_but_its_turn_stays(kind: str, orientation: int) -> None:
    content = telling(kind, orientation)
    assert b"SecretPhone" in content
    kept = read_image(content, "x")
    assert b"SecretPhone" not in kept.content
    assert PLACE not in kept.content
    assert shown(kept.content) == shown(content)
    assert shown(kept.content)[1] == orientation
    assert (kept.width, kept.height) == ((20, 40) if orientation == 6 else (40, 20))
    assert read_image(kept.content, "x") == kept  # doing it again changes nothing: export and import agree


def test_a_second_picture_behind_the_first_loses_its_metadata() -> None:
    content = telling("JPEG")
    assert without_metadata(content + content, "jpg", 1) == without_metadata(content, "jpg", 1)


def test_the_samples_pictures_have_nothing_to_take_out(repo_root: Path) -> None:
    for path in (repo_root / "digest" / "workspace" / "sample" / "articles" / "images").iterdir():
        assert without_metadata(path.read_bytes(), "jpg", 1) == path.read_bytes()


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["jpg", "png", "gif"]), st.integers(1, 8), st.integers(0, 400))
def test_no_bytes_make_it_raise_or_run_for_ever(tail: bytes, extension: str, orientation: int, cut: int) -> None:
    start = telling("JPEG" if extension == "jpg" else "PNG")[:cut]
    assert isinstance(without_metadata(start + tail, extension, orientation), bytes)
