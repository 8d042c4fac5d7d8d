"""Draw the pictures of the sample workspace into digest/workspace/sample/articles/images.

Development only, needs nothing but Pillow. The same code gives the same pictures: there is no clock, no system font and
only a seeded random source. Names on the command line draw only those pictures.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.sample_pictures import papers, streets, transport
from tests.support.sample_pictures.canvas import Canvas

TARGET = Path(__file__).resolve().parents[3] / "digest" / "workspace" / "sample" / "articles" / "images"
QUALITY, LARGEST = 82, 90_000

PICTURES: dict[str, Callable[[], Canvas]] = {
    "wsce-2021.jpg": streets.expo,
    "city-pass.jpg": streets.city_pass,
    "smart-crosswalk.jpg": streets.crosswalk,
    "video-smart-shelter.jpg": streets.shelter,
    "video-smart-crossing.jpg": streets.crossing,
    "video-i-mod.jpg": transport.i_mod,
    "video-parking-robot.jpg": transport.parking,
    "video-operation-centre.jpg": transport.centre,
    "video-platooning.jpg": transport.platoon,
    "video-truck-driver.jpg": transport.driver,
    "ecuador-development-plan.jpg": papers.plan_left,
    "ecuador-digital-white-paper.jpg": papers.plan_right,
    "guayaquil-phase-1.jpg": papers.guayaquil,
}


def main(names: list[str]) -> None:
    """Write the named pictures, or all; stop if one is too heavy for a mail."""
    unknown = set(names) - set(PICTURES)
    if unknown:
        sys.exit(f"There is no picture {', '.join(sorted(unknown))}; known are {', '.join(PICTURES)}.")
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        path = TARGET / name
        PICTURES[name]().finished().save(path, quality=QUALITY, optimize=True, progressive=True)
        size = path.stat().st_size
        sys.stdout.write(f"{name:34} {size / 1000:6.1f} kB\n")
        if size > LARGEST:
            sys.exit(f"{name} is heavier than {LARGEST} bytes; draw fewer small details.")


if __name__ == "__main__":
    main(sys.argv[1:])
