"""The drawing surface and the palette of the sample's pictures.

Pictures are 1200 pixels wide, twice the 600 of a mail; they are drawn three times larger and reduced, because Pillow's
shapes have hard edges.
"""

import itertools
import math

from PIL import Image, ImageDraw, ImageFilter, ImageFont

S, WIDTH = 3, 1200
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]
INK, NAVY, DEEP, TEAL = (7, 28, 42), (11, 42, 60), (15, 76, 92), (31, 122, 140)
SEA, SKY, MIST, CREAM, WHITE = (94, 163, 172), (160, 203, 208), (220, 235, 236), (248, 243, 232), (255, 255, 255)
AMBER, RUST, SAND, GREY = (236, 164, 60), (203, 121, 35), (246, 211, 154), (120, 140, 150)


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """Return the colour that lies `t` (0 to 1) of the way from `a` to `b`."""
    return (round(a[0] + (b[0] - a[0]) * t), round(a[1] + (b[1] - a[1]) * t), round(a[2] + (b[2] - a[2]) * t))


def ramp(stops: list[Colour], size: tuple[int, int]) -> Image.Image:
    """Return an image of `size` that runs through `stops` from top to bottom."""
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        at = y / max(1, size[1] - 1) * (len(stops) - 1)
        i = min(int(at), len(stops) - 2)
        column.putpixel((0, y), mix(stops[i], stops[i + 1], at - i))
    return column.resize(size)


class Canvas:
    """A drawing surface in units of the finished picture; colours may carry an opacity from 0 to 1."""

    def __init__(self, height: int, *sky: Colour) -> None:
        self.h = height
        self.image = ramp(list(sky), (WIDTH * S, height * S))
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def rect(self, box: Box, colour: Colour, a: float = 1, r: float = 0) -> None:
        self.draw.rounded_rectangle([v * S for v in box], r * S, fill=(*colour, round(a * 255)))

    def frame(self, box: Box, colour: Colour, w: float, r: float = 0) -> None:
        self.draw.rounded_rectangle([v * S for v in box], r * S, outline=colour, width=round(w * S))

    def disc(self, x: float, y: float, r: float, colour: Colour, a: float = 1, ry: float | None = None) -> None:
        ry = r if ry is None else ry
        box = [v * S for v in (x - r, y - ry, x + r, y + ry)]
        self.draw.ellipse(box, fill=(*colour, round(a * 255)))

    def poly(self, points: list[Point], colour: Colour, a: float = 1) -> None:
        self.draw.polygon([(x * S, y * S) for x, y in points], fill=(*colour, round(a * 255)))

    def line(self, points: list[Point], colour: Colour, w: float, a: float = 1) -> None:
        fill = (*colour, round(a * 255))
        self.draw.line([(x * S, y * S) for x, y in points], fill=fill, width=round(w * S), joint="curve")
        if a == 1:  # round caps; on a translucent line they would show as darker dots
            for x, y in (points[0], points[-1]):
                self.disc(x, y, w / 2, colour)

    def dashes(self, points: list[Point], colour: Colour, w: float, dash: float = 16) -> None:
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            n = max(1, round(math.dist((x0, y0), (x1, y1)) / dash / 2))
            for i in range(n):
                t0, t1 = i / n, (i + 0.5) / n
                ends = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (t0, t1)]
                self.line(ends, colour, w)

    def arc(
        self, x: float, y: float, r: float, start: float, end: float, colour: Colour, w: float, a: float = 1
    ) -> None:
        box = [v * S for v in (x - r, y - r, x + r, y + r)]
        self.draw.arc(box, start, end, fill=(*colour, round(a * 255)), width=round(w * S))

    def shade(self, points: list[Point], *stops: Colour, a: float = 1) -> None:
        """Fill a polygon with a vertical gradient."""
        x0, y0 = (min(p[i] for p in points) for i in (0, 1))
        x1, y1 = (max(p[i] for p in points) for i in (0, 1))
        size = (max(1, round((x1 - x0) * S)), max(1, round((y1 - y0) * S)))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([((x - x0) * S, (y - y0) * S) for x, y in points], fill=round(a * 255))
        self.image.paste(ramp(list(stops), size), (round(x0 * S), round(y0 * S)), mask)

    def panel(self, box: Box, r: float, *stops: Colour) -> None:
        """Fill a rounded rectangle with a vertical gradient."""
        size = (round((box[2] - box[0]) * S), round((box[3] - box[1]) * S))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rounded_rectangle([0, 0, size[0] - 1, size[1] - 1], r * S, fill=255)
        self.image.paste(ramp(list(stops), size), (round(box[0] * S), round(box[1] * S)), mask)

    def glow(self, x: float, y: float, r: float, colour: Colour, a: float, ry: float | None = None) -> None:
        """Lay a soft light around a point."""
        size = (round(2 * r * S), round(2 * (r if ry is None else ry) * S))
        light = Image.radial_gradient("L").point([round(max(0, 1 - v / 180) ** 2 * 255 * a) for v in range(256)])
        at = (round(x * S - size[0] / 2), round(y * S - size[1] / 2))
        self.image.paste(Image.new("RGB", size, colour), at, light.resize(size))

    def shadow(self, box: Box, r: float, blur: float, a: float) -> None:
        mask = Image.new("L", (WIDTH, self.h))
        ImageDraw.Draw(mask).rounded_rectangle(box, r, fill=round(a * 255))
        mask = mask.filter(ImageFilter.GaussianBlur(blur)).resize(self.image.size)
        self.image.paste(Image.new("RGB", self.image.size, INK), (0, 0), mask)

    def text(self, x: float, y: float, words: str, size: float, colour: Colour) -> None:
        self.draw.text((x * S, y * S), words, fill=colour, font=ImageFont.load_default(size * S), anchor="mm")

    def finished(self) -> Image.Image:
        """Return the picture at its final size."""
        return self.image.reduce(S)

    def play(self) -> None:
        """Bake in the mark that says: this picture opens a video."""
        x, y, r = WIDTH / 2, self.h / 2, 74
        self.shadow((x - r, y - r + 8, x + r, y + r + 8), r, 16, 0.5)
        self.disc(x, y, r, WHITE)
        self.disc(x, y, r - 6, DEEP)
        self.poly([(x - 22, y - 36), (x - 22, y + 36), (x + 40, y)], WHITE)


def curve(a: Point, b: Point, c: Point, n: int = 40) -> list[Point]:
    """Return points on the quadratic curve from `a` to `c` that leans towards `b`."""
    steps = [i / n for i in range(n + 1)]
    return [tuple((1 - t) ** 2 * a[i] + 2 * t * (1 - t) * b[i] + t * t * c[i] for i in (0, 1)) for t in steps]  # type: ignore[misc]
