"""The drawing surface, the palette and the recurring figures of `scripts/sample-images`.

Pictures are 1200 pixels wide, twice the 600 of a mail; they are drawn three times larger and reduced, because Pillow's
shapes have hard edges.
"""

import math
import random

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
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            n = max(1, round(math.dist((x0, y0), (x1, y1)) / dash / 2))
            for i in range(n):
                t0, t1 = i / n, (i + 0.5) / n
                ends = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (t0, t1)]
                self.line(ends, colour, w)

    def arc(self, x: float, y: float, r: float, start: float, end: float, colour: Colour, w: float, a: float = 1) -> None:
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


def skyline(c: Canvas, base: float, low: float, high: float, colour: Colour, seed: int, lit: float = 0) -> None:
    """Draw a row of towers on `base`; `lit` is the share of windows with a light on."""
    rng, x = random.Random(seed), -20.0
    while x < WIDTH:
        w, h = 38 + rng.random() * 56, low + (high - low) * rng.random() ** 1.6
        top = base - h
        c.shade([(x, top), (x + w, top), (x + w, base), (x, base)], colour, mix(colour, SKY, 0.22))
        roof = rng.random()
        if roof < 0.25:
            c.poly([(x, top + 1), (x + w, top + 1), (x + w, top - w * 0.45)], colour)
        elif roof < 0.45:
            c.rect((x + w * 0.3, top - 14, x + w * 0.7, top + 2), colour)
            c.rect((x + w * 0.5 - 1, top - 40, x + w * 0.5 + 1, top), colour)
        for row in range(int(h // 17) - 1):
            for col in range(int(w // 13) - 1):
                if rng.random() < lit:
                    wx, wy = x + 9 + col * 13, top + 12 + row * 17
                    c.rect((wx, wy, wx + 6, wy + 8), SAND, 0.75, 1)
        x += w + rng.random() * 10 - 2


def person(c: Canvas, x: float, y: float, h: float, colour: Colour, stride: float = 0.1, bag: bool = False) -> None:
    """Draw a walking figure of height `h` whose feet stand on `y`."""
    hip, neck = y - h * 0.46, y - h * 0.82
    for side in (-1, 1):
        c.line([(x, hip), (x + side * h * stride, y)], mix(colour, INK, 0.45), h * 0.085)
    c.rect((x - h * 0.12, neck, x + h * 0.12, hip + h * 0.06), colour, r=h * 0.09)
    c.line([(x + h * 0.06, neck + h * 0.09), (x + h * 0.16, hip)], mix(colour, WHITE, 0.12), h * 0.06)
    c.disc(x + h * 0.01, y - h * 0.91, h * 0.085, SAND)
    c.poly(curve((x - h * 0.09, y - h * 0.9), (x, y - h * 1.09), (x + h * 0.1, y - h * 0.92)), NAVY)
    if bag:
        c.rect((x - h * 0.24, neck + h * 0.06, x - h * 0.1, hip - h * 0.02), AMBER, r=h * 0.04)


def tree(c: Canvas, x: float, y: float, h: float, colour: Colour = TEAL) -> None:
    c.rect((x - h * 0.03, y - h * 0.4, x + h * 0.03, y), NAVY)
    c.disc(x, y - h * 0.65, h * 0.24, colour, ry=h * 0.36)
    c.disc(x + h * 0.07, y - h * 0.7, h * 0.14, mix(colour, WHITE, 0.14), ry=h * 0.24)


def wheel(c: Canvas, x: float, y: float, r: float) -> None:
    c.disc(x, y, r, INK)
    c.disc(x, y, r * 0.56, SKY)
    c.disc(x, y, r * 0.22, NAVY)


def car(c: Canvas, x: float, y: float, w: float, colour: Colour) -> None:
    """Draw a car that drives right; `x` is its tail, `y` the ground."""
    def p(u: float, v: float) -> Point:
        return (x + u * w, y - v * w)
    roof = curve(p(0.14, 0.21), p(0.22, 0.39), p(0.42, 0.39)) + curve(p(0.52, 0.39), p(0.64, 0.38), p(0.76, 0.22))
    c.poly(roof, colour)
    c.panel((*p(0, 0.245), *p(1, 0.07)), w * 0.06, mix(colour, WHITE, 0.18), mix(colour, INK, 0.22))
    c.poly([p(0.22, 0.235), p(0.28, 0.34), p(0.42, 0.355), p(0.42, 0.235)], mix(SKY, WHITE, 0.4))
    c.poly([p(0.45, 0.235), p(0.45, 0.355), p(0.54, 0.35), p(0.68, 0.235)], mix(SKY, WHITE, 0.4))
    c.rect((*p(0.95, 0.2), *p(1, 0.15)), SAND, r=w * 0.015)
    c.rect((*p(0, 0.2), *p(0.03, 0.15)), RUST, r=w * 0.01)
    for u in (0.21, 0.79):
        wheel(c, *p(u, 0.085), w * 0.085)


def bus(c: Canvas, x: float, y: float, w: float, h: float, colour: Colour) -> None:
    """Draw a small bus that drives right, on the ground `y`."""
    c.panel((x, y - h, x + w, y - h * 0.12), h * 0.14, mix(colour, WHITE, 0.2), mix(colour, INK, 0.12))
    c.rect((x, y - h * 0.4, x + w, y - h * 0.3), AMBER)
    c.rect((x + w * 0.04, y - h * 0.86, x + w * 0.68, y - h * 0.47), NAVY, r=h * 0.05)
    for i in range(4):
        left = x + w * (0.05 + i * 0.157)
        c.panel((left, y - h * 0.84, left + w * 0.14, y - h * 0.49), h * 0.04, mix(SKY, WHITE, 0.6), SKY)
        c.disc(left + w * 0.07, y - h * 0.6, h * 0.055, DEEP)
        c.rect((left + w * 0.035, y - h * 0.56, left + w * 0.105, y - h * 0.49), DEEP, r=h * 0.03)
    c.panel((x + w * 0.71, y - h * 0.84, x + w * 0.83, y - h * 0.18), h * 0.03, mix(SKY, WHITE, 0.6), SEA)
    c.rect((x + w * 0.768, y - h * 0.84, x + w * 0.773, y - h * 0.18), colour)
    c.panel((x + w * 0.87, y - h * 0.84, x + w * 0.985, y - h * 0.46), h * 0.05, mix(SKY, WHITE, 0.7), SKY)
    c.rect((x + w * 0.955, y - h * 0.27, x + w * 0.99, y - h * 0.2), SAND, r=h * 0.02)
    for u in (0.2, 0.78):
        wheel(c, x + w * u, y - h * 0.13, h * 0.14)


def truck(c: Canvas, x: float, y: float, w: float, colour: Colour) -> None:
    """Draw an articulated truck that drives right."""
    h = w * 0.36
    c.rect((x, y - h * 0.24, x + w * 0.96, y - h * 0.14), INK)
    c.panel((x, y - h, x + w * 0.72, y - h * 0.22), w * 0.012, WHITE, mix(MIST, SKY, 0.5))
    c.rect((x, y - h * 0.5, x + w * 0.72, y - h * 0.4), colour)
    c.rect((x, y - h * 0.37, x + w * 0.72, y - h * 0.34), AMBER)
    c.shade([(x + w * 0.76, y - h * 0.16), (x + w * 0.76, y - h * 0.8), (x + w * 0.82, y - h * 0.98),
             (x + w * 0.92, y - h * 0.92), (x + w * 0.99, y - h * 0.5), (x + w, y - h * 0.16)],
            mix(colour, WHITE, 0.2), mix(colour, INK, 0.25))
    c.poly([(x + w * 0.84, y - h * 0.52), (x + w * 0.84, y - h * 0.8), (x + w * 0.91, y - h * 0.8),
            (x + w * 0.96, y - h * 0.52)], mix(SKY, WHITE, 0.5))
    c.rect((x + w * 0.965, y - h * 0.34, x + w * 0.995, y - h * 0.25), SAND, r=w * 0.006)
    for u in (0.1, 0.2, 0.3, 0.8, 0.92):
        wheel(c, x + w * u, y - h * 0.12, h * 0.13)


def waves(c: Canvas, x: float, y: float, r: float, start: float, end: float, colour: Colour = AMBER) -> None:
    for i in range(3):
        c.arc(x, y, r * (i + 1), start, end, colour, r * 0.24, 1 - i * 0.25)


def pin(c: Canvas, x: float, y: float, r: float, colour: Colour = AMBER) -> None:
    c.disc(x, y + r * 0.1, r * 0.5, INK, 0.25, ry=r * 0.16)
    c.poly([(x - r * 0.82, y - r * 1.25), (x + r * 0.82, y - r * 1.25), (x, y)], colour)
    c.disc(x, y - r * 1.6, r, colour)
    c.disc(x, y - r * 1.6, r * 0.42, WHITE)
