"""The pictures of documents: two covers and the Guayaquil diagram."""

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
    Canvas,
    Colour,
    curve,
    mix,
)


def cover(sky: tuple[Colour, ...], back: tuple[Colour, Colour]) -> Canvas:
    """An upright book on a quiet ground; the scene on it is drawn by the caller."""
    c = Canvas(900, *sky)
    c.shadow((372, 96, 852, 828), 10, 26, 0.5)
    c.rect((354, 82, 850, 817), mix(back[1], INK, 0.5), r=8)
    c.rect((836, 78, 856, 809), WHITE, r=3)
    c.panel((350, 70, 844, 810), 8, *back)
    return c


def plan_left() -> Canvas:
    """The cover of a development plan: mountains, sun and fields."""
    c = cover((MIST, SKY), (mix(SKY, MIST, 0.5), SAND))
    c.disc(640, 400, 92, AMBER)
    c.poly([(350, 560), (470, 430), (540, 510), (640, 380), (740, 500), (844, 420), (844, 808), (350, 808)], SEA)
    c.poly([(608, 421), (640, 380), (672, 419), (652, 432), (640, 418), (626, 434)], WHITE)
    c.poly([(350, 640), (470, 540), (600, 630), (720, 550), (844, 620), (844, 808), (350, 808)], TEAL)
    for i in range(5):
        top = curve((350, 650 + i * 32), (600, 600 + i * 36), (844, 680 + i * 26))
        c.poly([*top, (844, 810), (350, 810)], mix(DEEP, NAVY, i / 5))
    c.rect((420, 130, 700, 152), DEEP, r=4)
    c.rect((420, 172, 780, 194), DEEP, r=4)
    c.rect((420, 222, 560, 232), RUST, r=4)
    c.rect((350, 70, 374, 810), INK, 0.2, 6)
    return c


def plan_right() -> Canvas:
    """The cover of a digital white paper: a net over a dark ground."""
    c = cover((MIST, SKY), (DEEP, NAVY))
    rng = random.Random(21)
    dots = [
        (424 + col * 86 + rng.random() * 38, 330 + row * 82 + rng.random() * 44) for row in range(5) for col in range(5)
    ]
    for i, a in enumerate(dots):
        for b in dots[i + 1 :]:
            if (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 < 118**2:
                c.line([a, b], SEA, 2.5, 0.75)
    for i, (x, y) in enumerate(dots):
        big = i in (7, 11, 18)
        c.glow(x, y, 60 if big else 26, AMBER if big else SKY, 0.6)
        c.disc(x, y, 15 if big else 7, AMBER if big else MIST)
    c.rect((420, 130, 640, 152), CREAM, r=4)
    c.rect((420, 172, 760, 194), CREAM, r=4)
    c.rect((420, 222, 540, 232), AMBER, r=4)
    c.rect((350, 70, 374, 810), INK, 0.25, 6)
    return c


def guayaquil() -> Canvas:
    """An illustrative diagram of the first phase: what went in, the city, the years."""
    c = Canvas(760, WHITE, mix(MIST, WHITE, 0.4))
    for y, words in ((150, "ICT policy"), (310, "ICT projects")):
        c.panel((60, y - 58, 380, y + 58), 16, TEAL, DEEP)
        c.text(220, y, words, 42, WHITE)
        c.line(curve((386, y), (440, y), (452, 230 + (y - 230) * 0.4)), RUST, 7)
        c.disc(452, 230 + (y - 230) * 0.4, 11, RUST)
    c.disc(600, 230, 176, SKY, 0.35)
    c.disc(600, 230, 146, SEA, 0.45)
    c.disc(600, 230, 116, NAVY)
    c.text(600, 212, "Guayaquil", 44, WHITE)
    c.text(600, 262, "Phase 1", 36, SAND)
    for y, words in ((150, "Digital services"), (310, "City networks")):
        c.line(curve((748, 230 + (y - 230) * 0.4), (760, y), (792, y)), RUST, 7)
        c.poly([(786, y - 17), (786, y + 17), (814, y)], RUST)
        c.panel((826, y - 58, 1150, y + 58), 16, mix(SAND, WHITE, 0.35), SAND)
        c.text(988, y, words, 40, NAVY)
    c.rect((120, 560, 1080, 572), DEEP, r=6)
    c.panel((180, 552, 1020, 580), 14, AMBER, RUST)
    for x, words in ((180, "1990"), (1020, "2014")):
        c.disc(x, 566, 24, NAVY)
        c.disc(x, 566, 10, WHITE)
        c.text(x, 636, words, 46, NAVY)
    c.text(600, 636, "First phase", 42, DEEP)
    c.dashes([(600, 420), (600, 536)], SEA, 6, 9)
    return c
