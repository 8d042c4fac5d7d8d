"""The pictures of machines at work: bus on demand, parking robot, operation centre, lorries."""

import math
import random

from tests.support.sample_pictures.canvas import (
    AMBER,
    CREAM,
    DEEP,
    GREY,
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
    Box,
    Canvas,
    Point,
    curve,
    mix,
)
from tests.support.sample_pictures.figures import bus, car, pin, truck, waves, wheel


def i_mod() -> Canvas:
    """A small bus on a map, called from several stops."""
    c = Canvas(675, mix(MIST, WHITE, 0.4), MIST)
    rng = random.Random(7)
    for gx in range(-1, 9):
        for gy in range(-1, 5):
            x, y = gx * 165 + gy * 26 + 12, gy * 140 - 12
            col = (mix(SKY, MIST, 0.35), mix(SEA, MIST, 0.55), mix(MIST, WHITE, 0.5))[int(rng.random() * 3)]
            c.poly([(x, y), (x + 140, y), (x + 162, y + 116), (x + 22, y + 116)], col)
    c.poly([*curve((0, 210), (520, 120), (1200, 330)), *curve((1200, 385), (520, 178), (0, 268))], SEA, 0.55)
    route = [(110, 560), (300, 560), (268, 404), (560, 404), (536, 262), (880, 262), (906, 402), (1090, 402)]
    c.line([(float(x), float(y)) for x, y in route], WHITE, 26)
    c.line([(float(x), float(y)) for x, y in route], TEAL, 14)
    c.dashes([(880.0, 262.0), (852.0, 122.0), (1080.0, 122.0)], RUST, 8, 12)
    for x, y, r, col in (
        (110, 548, 30, DEEP),
        (268, 392, 26, AMBER),
        (880, 250, 28, AMBER),
        (1080, 112, 26, RUST),
        (1090, 392, 34, DEEP),
    ):
        c.disc(x, y + 12, 13, WHITE)
        c.disc(x, y + 12, 7, col)
        pin(c, x, y + 6, r, col)
    waves(c, 1080, 70, 26, 200, 340, RUST)
    c.shadow((396, 610, 806, 640), 14, 12, 0.5)
    bus(c, 390, 638, 420, 188, TEAL)
    c.play()
    return c


def parking() -> Canvas:
    """A flat robot carries a car between the columns of a garage."""
    c = Canvas(675, NAVY, DEEP, TEAL)
    c.panel((0, 330, WIDTH, 675), 0, TEAL, mix(TEAL, DEEP, 0.6), NAVY)
    c.poly([(0, 0), (WIDTH, 0), (900, 170), (300, 170)], INK, 0.55)
    c.poly([(300, 170), (900, 170), (900, 352), (300, 352)], mix(DEEP, TEAL, 0.5))
    for i in range(4):
        c.rect((330 + i * 142, 246, 442 + i * 142, 346), mix(NAVY, DEEP, 0.5), r=4)
        if i != 2:
            car(c, 336 + i * 142, 346, 100, (SKY, AMBER, TEAL, CREAM)[i])
    for x0, x1, w in ((40, 1090, 70), (190, 966, 44)):
        for x in (x0, x1):
            c.panel((x, 60, x + w, 580 if w == 70 else 470), 4, MIST, SKY)
            c.rect((x, 470 if w == 70 else 400, x + w, 520 if w == 70 else 432), AMBER)
    for x in (410, 530, 650, 770):
        c.rect((x - 36, 190, x + 36, 198), CREAM, r=4)
        c.glow(x, 198, 80, SAND, 0.3, 30)
    c.poly([(596, 356), (604, 356), (640, 675), (560, 675)], AMBER, 0.35)
    for x0, x1 in ((420, 110), (780, 1090)):
        c.line([(x0, 356), (x1, 675)], CREAM, 4, 0.55)
    c.glow(600, 620, 420, SAND, 0.55, 80)
    c.shadow((350, 616, 860, 642), 12, 12, 0.7)
    car(c, 375, 604, 450, AMBER)
    c.panel((340, 588, 868, 630), 18, CREAM, SKY)
    c.rect((340, 604, 868, 611), TEAL)
    for x in (380, 490, 718, 828):
        wheel(c, x, 630, 16)
    c.rect((852, 592, 872, 602), RUST, r=4)
    waves(c, 880, 604, 24, -40, 40)
    c.play()
    return c


def screen(c: Canvas, box: Box, kind: int, rng: random.Random) -> None:
    """Draw one monitor with a chart (0), a camera picture (1) or bars (2)."""
    x0, y0, x1, y1 = box
    c.rect((x0 - 5, y0 - 5, x1 + 5, y1 + 5), INK, r=8)
    c.panel(box, 5, mix(DEEP, TEAL, 0.4), DEEP)
    if kind == 0:
        pts = [(x0 + 14 + i * (x1 - x0 - 28) / 8, y1 - 18 - rng.random() * (y1 - y0 - 44)) for i in range(9)]
        c.poly([(x0 + 14, y1 - 12), *pts, (x1 - 14, y1 - 12)], SEA, 0.4)
        c.line(pts, SKY, 4)
    elif kind == 1:
        c.poly([(x0 + 60, y1), (x0 + 90, y0 + 30), (x1 - 90, y0 + 30), (x1 - 40, y1)], NAVY)
        c.dashes([((x0 + x1) / 2, y0 + 34), ((x0 + x1) / 2 + 8, y1)], CREAM, 4, 9)
        car(c, x0 + 70, y1 - 20, 58, AMBER)
        c.frame((x0 + 62, y1 - 52, x0 + 136, y1 - 12), AMBER, 3)
    else:
        for i in range(6):
            h = 14 + rng.random() * (y1 - y0 - 46)
            x = x0 + 18 + i * (x1 - x0 - 30) / 6
            c.rect((x, y1 - 14 - h, x + 16, y1 - 14), AMBER if i == 3 else SEA, r=3)


def centre() -> Canvas:
    """Operators before a wall of screens with the way home on a town map."""
    c = Canvas(675, INK, NAVY, DEEP)
    c.glow(600, 240, 620, TEAL, 0.8, 330)
    rng = random.Random(3)
    for i, (col, row) in enumerate([(col, row) for row in range(3) for col in (0, 1)]):
        x, y = (40.0 if col == 0 else 944.0), 46 + row * 138.0
        screen(c, (x, y, x + 216, y + 116), (i + (col == 1)) % 3, rng)
    c.rect((276, 36, 924, 446), INK, r=10)
    c.panel((284, 44, 916, 438), 6, DEEP, NAVY)
    for gx in range(7):
        for gy in range(4):
            x, y = 298 + gx * 88, 56 + gy * 96
            c.rect((x, y, x + 74, y + 82), mix(DEEP, TEAL, 0.15 + 0.4 * rng.random()), r=5)
    way = [
        (335.0, 430.0),
        (335.0, 145.0),
        (467.0, 145.0),
        (467.0, 337.0),
        (731.0, 337.0),
        (731.0, 145.0),
        (830.0, 145.0),
    ]
    c.line(way, AMBER, 8)
    for x, y in way[1:-1]:
        c.glow(x, y, 40, AMBER, 0.7)
        c.disc(x, y, 9, CREAM)
    pin(c, 830, 140, 24)
    c.panel((0, 560, WIDTH, 675), 0, NAVY, INK)
    for x in (150, 400, 800, 1050):
        c.glow(x, 500, 150, SKY, 0.35, 90)
        c.panel((x - 70, 452, x + 70, 528), 6, SEA, TEAL)
        c.rect((x - 6, 526, x + 6, 560), INK)
    c.rect((0, 552, WIDTH, 568), SEA)
    for x in (150, 400, 800, 1050):
        c.disc(x, 532, 30, INK)
        c.rect((x - 58, 566, x + 58, 690), INK, r=40)
        c.rect((x - 72, 600, x + 72, 690), mix(NAVY, DEEP, 0.6), r=24)
        c.arc(x, 530, 34, 190, 350, AMBER, 5)
        c.disc(x + 33, 534, 8, AMBER)
    c.play()
    return c


def platoon() -> Canvas:
    """Three lorries follow each other at a constant distance, joined by radio."""
    c = Canvas(675, DEEP, TEAL, SEA, SAND, CREAM)
    c.glow(300, 370, 380, SAND, 0.9)
    c.disc(300, 372, 60, CREAM)
    for i, (col, base) in enumerate(((mix(SEA, SAND, 0.4), 410), (mix(SEA, TEAL, 0.5), 430), (TEAL, 452))):
        hills: list[Point] = [
            (x * 10.0, base - 40 + i * 9 - (34 - i * 7) * (math.sin(x / 13 + i * 2.1) + 0.5 * math.sin(x / 5.3 + i)))
            for x in range(121)
        ]
        c.poly([*hills, (1200, 480), (0, 480)], col)
    c.panel((0, 446, WIDTH, 496), 0, DEEP, mix(DEEP, NAVY, 0.5))
    c.rect((0, 470, WIDTH, 478), MIST)
    for x in range(20, 1200, 110):
        c.rect((x, 470, x + 8, 496), SKY)
    c.panel((0, 494, WIDTH, 675), 0, NAVY, INK)
    c.dashes([(0, 630), (WIDTH, 630)], CREAM, 6, 36)
    for x, col in ((14, TEAL), (414, DEEP), (814, RUST)):
        c.shadow((x, 584, x + 340, 600), 8, 8, 0.7)
        truck(c, x, 592, 360, col)
    for x in (374, 774):
        c.dashes([(x + 2, 570), (x + 40, 570)], AMBER, 5, 5)
    for x in (330, 730, 1130):
        waves(c, x, 452, 17, 215, 325)
    c.play()
    return c


def driver() -> Canvas:
    """The view from a cab: hands rest, the lorry ahead leads."""
    c = Canvas(675, TEAL, SEA, SAND, CREAM, CREAM)
    c.glow(600, 330, 420, SAND, 0.9)
    c.poly(
        [
            (0, 330),
            *curve((0, 300), (200, 210), (430, 320)),
            *curve((700, 322), (960, 200), (1200, 300)),
            (1200, 360),
            (0, 360),
        ],
        SEA,
    )
    c.panel((0, 330, WIDTH, 520), 0, TEAL, DEEP)
    c.poly([(520, 332), (690, 332), (1120, 560), (60, 560)], NAVY)
    c.poly([(596, 336), (602, 336), (480, 560), (430, 560)], CREAM, 0.85)
    c.glow(610, 458, 220, INK, 0.8, 24)
    for x in (494, 694):
        c.rect((x, 410, x + 32, 456), INK, r=7)
    c.rect((464, 404, 756, 432), INK, r=4)
    c.panel((458, 158, 762, 408), 8, WHITE, SKY)
    c.rect((458, 366, 762, 384), RUST)
    c.line([(610, 166), (610, 360)], SEA, 3)
    for x in (484, 736):
        c.disc(x, 418, 8, RUST)
    c.dashes([(610, 450), (610, 520)], AMBER, 9, 10)
    waves(c, 610, 150, 15, 215, 325, RUST)
    for x, lean in ((0, 96), (1200, -96)):
        c.poly([(x, 0), (x + lean * 0.4, 0), (x + lean, 560), (x, 600)], INK)
    c.rect((0, 0, WIDTH, 44), INK)
    c.rect((480, 30, 720, 92), INK, r=18)
    c.panel((494, 40, 706, 82), 12, SKY, SEA)
    c.poly([(0, 675), (0, 540), *curve((0, 530), (600, 460), (1200, 530)), (1200, 675)], INK)
    c.poly([*curve((0, 540), (600, 470), (1200, 540)), *curve((1200, 552), (600, 482), (0, 552))], DEEP)
    c.panel((800, 420, 1000, 552), 12, NAVY, DEEP)
    c.frame((800, 420, 1000, 552), MIST, 5, 12)
    for i in range(3):
        c.rect((822 + i * 56, 474, 864 + i * 56, 500), (SKY, SKY, AMBER)[i], r=6)
    c.dashes([(820, 522), (980, 522)], SEA, 5, 8)
    for r, w, col in ((176, 30, mix(INK, GREY, 0.35)), (176, 12, mix(INK, GREY, 0.55))):
        c.arc(330, 640, r, 180, 360, col, w)
    c.line([(170, 640), (490, 640)], mix(INK, GREY, 0.35), 24)
    c.disc(330, 640, 50, mix(INK, GREY, 0.45))
    c.play()
    return c
