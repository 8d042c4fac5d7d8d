"""What recurs in the pictures: towers, people, vehicles, signals."""

import random

from tests.support.sample_pictures.canvas import (
    AMBER,
    CREAM,
    DEEP,
    INK,
    MIST,
    NAVY,
    RUST,
    SAND,
    SEA,
    SKY,
    TEAL,
    WHITE,
    WIDTH,
    Canvas,
    Colour,
    Point,
    curve,
    mix,
)


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
    c.shade(
        [
            (x + w * 0.76, y - h * 0.16),
            (x + w * 0.76, y - h * 0.8),
            (x + w * 0.82, y - h * 0.98),
            (x + w * 0.92, y - h * 0.92),
            (x + w * 0.99, y - h * 0.5),
            (x + w, y - h * 0.16),
        ],
        mix(colour, WHITE, 0.2),
        mix(colour, INK, 0.25),
    )
    c.poly(
        [
            (x + w * 0.84, y - h * 0.52),
            (x + w * 0.84, y - h * 0.8),
            (x + w * 0.91, y - h * 0.8),
            (x + w * 0.96, y - h * 0.52),
        ],
        mix(SKY, WHITE, 0.5),
    )
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


def zebra(c: Canvas, left: Point, right: Point, top: float, bottom: float, n: int = 9) -> None:
    """Draw crossing stripes in perspective between two edges; `left` and `right` hold x at `top` and at `bottom`."""
    for i in range(n):
        t0, t1 = (i + 0.12) / n, (i + 0.66) / n
        at = [(left[k] + (right[k] - left[k]) * t) for k, t in ((0, t0), (0, t1), (1, t1), (1, t0))]
        c.poly([(at[0], top), (at[1], top), (at[2], bottom), (at[3], bottom)], CREAM, 0.95)


def signal(c: Canvas, x: float, y: float, h: float, arm: float) -> None:
    """Draw a pole with an arm that carries a lamp, a camera and two lights."""
    c.rect((x - 7, y - h, x + 7, y), INK, r=5)
    c.line([(x, y - h + 14), (x + arm, y - h + 4)], INK, 9)
    c.rect((x - 24, y - h * 0.62, x + 24, y - h * 0.4), INK, r=9)
    c.disc(x, y - h * 0.565, 14, (70, 60, 58))
    c.glow(x, y - h * 0.455, 46, SKY, 0.8)
    c.disc(x, y - h * 0.455, 14, (120, 214, 190))
    c.rect((x + arm * 0.45 - 24, y - h + 18, x + arm * 0.45 + 18, y - h + 38), CREAM, r=8)
    c.disc(x + arm * 0.45 + 14, y - h + 28, 7, NAVY)
    c.rect((x + arm - 50, y - h + 4, x + arm + 12, y - h + 14), MIST, r=5)
