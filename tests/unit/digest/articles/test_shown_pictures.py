"""What mails show of a picture: its sizes and cuts in each place, its colours, its turn."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from digest.articles.embeds import ArticleImage, ArticleVideo, LoadedImage, PictureFile
from digest.articles.media import read_image
from digest.articles.shown_pictures import COLUMN, HALF, THUMBNAIL, is_cut, prepared_images, prepared_videos


def stored(size: tuple[int, int], mode: str = "RGB", kind: str = "JPEG", turn: int = 1) -> LoadedImage:
    image = Image.new(mode, size, 100 if mode in {"L", "P"} else tuple(range(0, 40 * len(mode), 40)))
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    image.save(file, kind, **({"exif": exif} if turn > 1 else {}))
    return read_image(file.getvalue(), "x")


def images(*pictures: LoadedImage, use: str = "") -> tuple[tuple[ArticleImage, ...], dict[str, LoadedImage]]:
    known = {picture.hash: picture for picture in pictures}
    ready, made = prepared_images([ArticleImage("x", "x", use=use, file=one.file) for one in pictures], known)
    return ready, {**known, **made}


def size(one: ArticleImage | ArticleVideo) -> tuple[int, int]:
    file = one.shown or one.file
    assert file
    return file.width, file.height


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ([(1200, 600)], [(2 * COLUMN, 552)]),
        ([(600, 300)], [(600, 300)]),
        ([(1200, 600), (1200, 600)], [(2 * HALF, 268)] * 2),
        ([(1200, 600), (1600, 1200)], [(536, 328), (536, 328)]),
        ([(1200, 600), (1200, 600), (1200, 600)], [(536, 268), (536, 268), (1104, 552)]),
        ([(720, 4000)], [(720, 900)]),
        ([(1200, 600), (720, 4000)], [(536, 424), (536, 424)]),
        ([(4000, 100), (400, 400)], [(158, 100), (400, 253)]),
    ],
)
def test_pictures_are_twice_as_wide_as_shown_and_cut_alike(
    sizes: list[tuple[int, int]], shown: list[tuple[int, int]]
) -> None:
    ready, _ = images(*(stored(one) for one in sizes))
    assert [size(one) for one in ready] == shown


def test_a_picture_in_the_text_stands_alone() -> None:
    ready, _ = images(stored((1200, 600)), stored((1200, 500)), use="body")
    assert [size(one)[0] for one in ready] == [1104, 1104]


def test_posters_of_a_list_are_thumbnails() -> None:
    poster = stored((1200, 675))
    videos = [ArticleVideo("a", file=poster.file)] * 2
    for as_list, width in ((True, THUMBNAIL), (False, HALF)):
        ready, _ = prepared_videos(videos, {poster.hash: poster}, as_list=as_list)
        assert [size(one)[0] for one in ready] == [2 * width] * 2


@pytest.mark.parametrize(
    ("mode", "kind", "after"),
    [("CMYK", "JPEG", "RGB"), ("L", "JPEG", "L"), ("RGBA", "PNG", "RGBA"), ("P", "PNG", "RGB")],
)
def test_colours_are_such_as_mail_apps_know(mode: str, kind: str, after: str) -> None:
    (one,), known = images(stored((1200, 600), mode, kind))
    assert one.shown
    assert Image.open(io.BytesIO(known[one.shown.hash].content)).mode == after
    small, _ = images(stored((100, 50), mode, kind))
    assert (small[0].shown is None) == (mode != "CMYK")


def test_a_turned_picture_stands_upright_without_a_tag() -> None:
    original = stored((400, 300), turn=6)
    (one,), known = images(original)
    assert one.shown
    assert size(one) == (300, 375)  # 3:4 is taller than 4:5
    shown = Image.open(io.BytesIO(known[one.shown.hash].content))
    assert shown.size == (300, 375)
    assert shown.getexif() == {}
    assert one.file == original.file  # the file is kept as it was


@pytest.mark.parametrize(
    ("shown", "cut"), [(None, False), ((100, 100), False), ((100, 85), False), ((100, 70), True), ((60, 100), True)]
)
def test_readers_are_told_of_a_cut_that_matters(shown: tuple[int, int] | None, cut: bool) -> None:
    whole = PictureFile("a", "jpg", 100, 100)
    assert is_cut(whole, replace(whole, width=shown[0], height=shown[1]) if shown else None) == cut
