"""The pictures of places: the expo, City Pass, crossings and the shelter."""

import itertools

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
    Canvas,
    Point,
    curve,
    mix,
)
from tests.support.sample_pictures.figures import bus, car, person, pin, signal, skyline, tree, waves, zebra


def expo() -> Canvas:
    """An exhibition hall with a sweeping roof before the city at dusk."""
    c = Canvas(675, NAVY, DEEP, TEAL, mix(SEA, SAND, 0.45), SAND, SAND, SAND)
    c.glow(985, 300, 250, CREAM, 0.6)
    c.disc(985, 300, 56, CREAM)
    skyline(c, 480, 60, 240, mix(SEA, SAND, 0.5), 5)
    skyline(c, 490, 40, 190, mix(TEAL, SEA, 0.4), 12, 0.05)
    skyline(c, 500, 20, 130, DEEP, 23, 0.16)
    nodes: list[Point] = [(120, 190), (330, 110), (560, 170), (770, 90), (1010, 150), (1120, 230)]
    for a, b in itertools.pairwise(nodes):
        c.line(curve(a, ((a[0] + b[0]) / 2, min(a[1], b[1]) - 50), b), mix(TEAL, MIST, 0.5), 2)
    for x, y in nodes:
        c.glow(x, y, 34, AMBER, 0.7)
        c.disc(x, y, 6, CREAM)
    c.panel((0, 478, WIDTH, 675), 0, DEEP, NAVY)
    eaves = curve((110, 402), (520, 250), (1130, 372), 160)
    c.shade([*eaves, (1064, 530), (176, 530)], CREAM, SAND, AMBER)
    for x in (300, 470, 640, 810, 980):  # the stands inside, behind the glass
        c.rect((x - 62, 452, x + 62, 532), mix(AMBER, SAND, 0.25))
        c.rect((x - 48, 466, x + 48, 500), mix(SEA, SAND, 0.35), r=5)
        c.rect((x - 34, 400, x + 34, 414), mix(AMBER, RUST, 0.4), r=7)
    for x in range(196, 1060, 36):
        c.line([(x, min(eaves, key=lambda e: abs(e[0] - x))[1] + 6), (x, 530)], mix(AMBER, DEEP, 0.6), 2.5)
    c.line([(164, 436), (1090, 436)], mix(AMBER, DEEP, 0.6), 3)
    c.rect((560, 466, 724, 532), DEEP, r=4)
    for x in (566, 606, 646, 686):
        c.panel((x, 472, x + 34, 532), 2, CREAM, SAND)
    for x in (250, 445, 820, 1015):
        c.line([(x, 530), (x + 30, min(eaves, key=lambda e: abs(e[0] - x - 30))[1])], WHITE, 7)
    c.poly([*curve((60, 404), (520, 206), (1170, 366)), *curve((1170, 386), (520, 270), (60, 412))], WHITE)
    c.poly([*curve((60, 406), (520, 218), (1170, 372)), *curve((1170, 386), (520, 270), (60, 412))], SEA)
    c.rect((0, 528, WIDTH, 534), SAND)
    c.shade([(180, 534), (1060, 534), (1180, 675), (60, 675)], mix(AMBER, DEEP, 0.62), mix(AMBER, NAVY, 0.97))
    for x, y, h, col in (
        (140, 590, 84, SEA),
        (290, 606, 96, MIST),
        (352, 602, 90, RUST),
        (500, 634, 112, TEAL),
        (742, 600, 88, SKY),
        (796, 606, 94, AMBER),
        (960, 630, 108, CREAM),
        (1082, 592, 84, TEAL),
    ):
        c.disc(x, y, h * 0.3, INK, 0.4, ry=6)
        person(c, x, y, h, col, bag=x in (290, 960))
    for x, h in ((46, 140), (1158, 150)):
        tree(c, x, 604, h)
    return c


def city_pass() -> Canvas:
    """A telephone with a town map, joined to the shared things of a neighbourhood."""
    c = Canvas(720, MIST, CREAM)
    skyline(c, 560, 60, 220, mix(SKY, MIST, 0.45), 41)
    skyline(c, 560, 30, 130, SKY, 8)
    c.panel((0, 556, WIDTH, 720), 0, mix(SKY, TEAL, 0.35), SEA)
    c.panel((0, 600, WIDTH, 690), 0, DEEP, NAVY)
    c.dashes([(0, 645), (WIDTH, 645)], SKY, 4, 26)
    c.rect((120, 330, 330, 560), DEEP)
    c.rect((120, 318, 330, 336), AMBER, r=4)
    for i in range(3):
        c.rect((142, 356 + i * 68, 308, 404 + i * 68), NAVY, r=6)
        car(c, 166, 404 + i * 68, 116, (TEAL, CREAM, AMBER)[i])
    for tx, th in ((395, 120), (800, 135), (1140, 110)):
        tree(c, tx, 566, th, SEA)
    c.rect((860, 470, 1085, 478), TEAL, r=4)
    for x in (900, 1010):
        for wx in (x - 28, x + 36):
            c.frame((wx - 26, 508, wx + 26, 560), NAVY, 5, 26)
        c.line([(x - 28, 534), (x - 8, 496), (x + 24, 496), (x + 4, 534), (x - 8, 496)], RUST, 6)
        c.line([(x + 36, 534), (x + 20, 480), (x + 34, 476)], RUST, 6)
        c.line([(x - 20, 490), (x + 2, 490)], NAVY, 7)
    bus(c, 70, 668, 250, 118, TEAL)
    car(c, 742, 664, 210, AMBER)
    for a, b, d in (
        ((330, 300), (400, 180), (500, 250)),
        ((1010, 440), (920, 210), (700, 270)),
        ((240, 548), (350, 480), (500, 430)),
        ((850, 588), (812, 470), (716, 452)),
    ):
        c.dashes(curve(a, b, d, 14), RUST, 5, 9)
        c.disc(*a, 10, RUST)
        c.disc(*a, 4, WHITE)
    c.shadow((478, 82, 722, 590), 40, 24, 0.45)
    c.rect((476, 60, 724, 580), INK, r=38)
    c.panel((490, 76, 710, 564), 26, WHITE, MIST)
    for x0, y0, x1, y1 in (
        (500, 96, 570, 170),
        (584, 96, 640, 200),
        (654, 96, 700, 160),
        (500, 186, 570, 300),
        (584, 214, 640, 300),
        (654, 176, 700, 300),
        (500, 316, 612, 400),
        (628, 316, 700, 400),
    ):
        c.rect((x0, y0, x1, y1), mix(SKY, MIST, 0.3), r=6)
    c.disc(680, 355, 30, SEA, 0.5)
    c.line([(520, 386), (577, 386), (577, 307), (647, 307), (647, 190)], AMBER, 9)
    c.disc(520, 386, 12, DEEP)
    c.disc(520, 386, 5, WHITE)
    pin(c, 647, 196, 25, RUST)
    c.rect((502, 418, 698, 488), WHITE, r=12)
    c.disc(536, 453, 20, TEAL)
    c.rect((570, 438, 672, 448), DEEP, r=5)
    c.rect((570, 460, 640, 468), SKY, r=4)
    c.rect((502, 502, 698, 546), AMBER, r=22)
    c.rect((560, 519, 640, 529), WHITE, r=5)
    c.rect((570, 66, 630, 72), DEEP, r=3)
    return c


def crosswalk() -> Canvas:
    """A crossing by evening with lit stripes, floor lights, a camera and a speaking post."""
    c = Canvas(720, NAVY, DEEP, TEAL, SEA)
    skyline(c, 350, 90, 260, mix(DEEP, TEAL, 0.5), 31, 0.12)
    skyline(c, 352, 40, 150, mix(NAVY, DEEP, 0.5), 14, 0.25)
    c.panel((0, 346, WIDTH, 400), 0, mix(SEA, GREY, 0.4), SEA)
    c.panel((0, 398, WIDTH, 640), 0, mix(NAVY, DEEP, 0.5), NAVY)
    c.panel((0, 636, WIDTH, 720), 0, SEA, mix(SEA, TEAL, 0.6))
    c.poly([(290, 60), (350, 60), (1020, 640), (130, 640)], SAND, 0.12)
    c.glow(600, 520, 520, SAND, 0.35, 170)
    zebra(c, (380, 180), (840, 1040), 404, 630)
    for y, x0, x1 in ((640, 140, 1080), (396, 360, 860)):
        c.glow((x0 + x1) / 2, y, (x1 - x0) / 2 + 40, AMBER, 0.7, 26)
        c.rect((x0, y - 5, x1, y + 5), AMBER, r=5)
    signal(c, 300, 664, 590, 190)
    c.rect((1104, 470, 1130, 664), INK, r=10)
    c.rect((1090, 400, 1144, 500), CREAM, r=12)
    c.rect((1100, 412, 1134, 456), TEAL, r=5)
    waves(c, 1088, 480, 18, 140, 220)
    car(c, 876, 446, 180, SEA)
    for x, y, h, col in ((520, 560, 150, AMBER), (600, 552, 104, MIST), (760, 590, 168, SKY)):
        c.disc(x, y, h * 0.22, INK, 0.4, ry=7)
        person(c, x, y, h, col, bag=h == 104)
    return c


def shelter() -> Canvas:
    """A glass bus shelter with a green roof, a screen and clean, warm light."""
    c = Canvas(675, SKY, MIST, CREAM)
    skyline(c, 480, 70, 270, mix(SKY, MIST, 0.4), 17)
    skyline(c, 480, 30, 150, mix(SKY, SEA, 0.4), 19)
    c.panel((0, 476, WIDTH, 560), 0, MIST, SKY)
    c.panel((0, 556, WIDTH, 675), 0, DEEP, NAVY)
    c.dashes([(0, 620), (WIDTH, 620)], SKY, 4, 28)
    for x, h in ((80, 190), (1120, 210)):
        tree(c, x, 500, h)
    c.shadow((250, 500, 960, 548), 20, 14, 0.4)
    c.panel((262, 236, 948, 530), 8, mix(CREAM, SAND, 0.5), CREAM)
    c.glow(600, 300, 330, SAND, 0.9, 160)
    for x in (262, 434, 606, 778, 941):
        c.rect((x, 236, x + 7, 530), DEEP)
    c.rect((262, 522, 948, 534), DEEP, r=4)
    c.rect((226, 206, 984, 242), DEEP, r=14)
    c.rect((240, 236, 970, 242), AMBER, r=3)
    for i in range(9):
        c.disc(270 + i * 82, 206, 44, TEAL if i % 2 else SEA, ry=17)
    c.rect((226, 206, 984, 222), DEEP, r=6)
    c.poly([(640, 206), (668, 146), (848, 146), (824, 206)], NAVY)
    for i in range(5):
        c.line([(662 + i * 32, 194), (686 + i * 32, 150)], SEA, 2)
    c.rect((292, 276, 418, 430), NAVY, r=8)
    c.rect((302, 286, 408, 330), TEAL, r=4)
    for i, w in enumerate((90, 60, 76)):
        c.rect((306, 344 + i * 26, 306 + w, 356 + i * 26), AMBER if i == 1 else SKY, r=5)
    c.rect((470, 452, 900, 468), RUST, r=6)
    for x in (500, 868):
        c.rect((x, 466, x + 10, 524), NAVY)
    for x, h, col, bag in ((800, 168, TEAL, True), (860, 156, RUST, False), (330, 0, TEAL, False)):
        if h:
            person(c, x, 528, h, col, 0.05, bag)
    waves(c, 900, 290, 15, 200, 340, TEAL)
    person(c, 1040, 540, 160, DEEP, 0.1, True)
    c.play()
    return c


def crossing() -> Canvas:
    """A car waits while the crossing sees two people and lights their way."""
    c = Canvas(675, NAVY, DEEP, TEAL)
    c.disc(1010, 120, 44, CREAM, 0.9)
    c.glow(1010, 120, 160, MIST, 0.4)
    skyline(c, 410, 90, 280, mix(DEEP, TEAL, 0.35), 51, 0.15)
    c.panel((0, 404, WIDTH, 460), 0, SEA, mix(SEA, TEAL, 0.5))
    c.panel((0, 456, WIDTH, 675), 0, mix(NAVY, DEEP, 0.4), INK)
    c.glow(820, 560, 340, SAND, 0.5, 130)
    for i in range(6):
        y = 474 + i * i * 2.6 + i * 21
        c.poly(
            [(690 - i * 8, y), (960 + i * 10, y), (963 + i * 11, y + 13 + i * 2), (688 - i * 9, y + 13 + i * 2)], CREAM
        )
    c.rect((1066, 128, 1080, 470), INK, r=5)
    c.line([(1073, 140), (900, 124)], INK, 9)
    c.rect((850, 118, 912, 134), SAND, r=6)
    c.poly([(856, 134), (906, 134), (1010, 650), (660, 650)], SAND, 0.2)
    c.rect((1048, 220, 1098, 330), INK, r=10)
    c.glow(1073, 302, 44, SKY, 0.7)
    c.disc(1073, 302, 15, (120, 214, 190))
    c.disc(1073, 250, 15, (70, 60, 58))
    for i in range(3):
        c.disc(420, 590, 110 + i * 48, AMBER, 0.14 - i * 0.03, ry=18 + i * 8)
    car(c, 80, 600, 390, TEAL)
    c.poly([(468, 536), (468, 560), (680, 600), (680, 520)], SAND, 0.25)
    c.rect((610, 462, 622, 666), AMBER, r=6)
    c.glow(616, 560, 60, AMBER, 0.7, 130)
    person(c, 800, 602, 190, AMBER, 0.12, True)
    person(c, 884, 600, 128, SKY, 0.1)
    c.play()
    return c
