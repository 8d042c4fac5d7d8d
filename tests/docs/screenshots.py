"""Take the screenshots of docs/images: the sample's mail, pages, desk and report, and the sample in another theme.

Development only. Needs Chromium and Korean type; without a Chromium it says so and changes nothing. Two workspaces are
published with the real commands, served on loopback, and photographed; the pictures have palettes to stay small.
"""

import io
import mailbox
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from email import policy
from email.parser import BytesParser
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, StorageState, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "images"
GROUND, EDGE = "#d5dbe1", "#8b97a3"
COLOURS = 128
PHONE, DESK = 375, 680
NOW = "2021-09-30T09:00:00+09:00"
THEME = """\
[light]
accent = "#6b2148"
tint = "#f3e6ec"
ground = "#f2eeef"

[dark]
accent = "#f0a9c8"
tint = "#3a2630"
"""
LOGO = '\n[publication.logo]\nsrc = "logo.png"\nalt = "Smart City Policy Centre"\nwidth = 132\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sample:
    """The sample, published in a folder of its own, and its pages on loopback."""

    def __init__(self, folder: Path, theme: str = "", *, draft: bool = False) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        self._environment = os.environ | {"DIGEST_NOW": NOW, "DIGEST_PUBLICATION__BASE_URL": self.url}
        self.run("init", str(folder), "--sample", cwd=folder.parent)
        if theme:
            (folder / "templates" / "theme.toml").write_text(theme, encoding="utf-8")
            draw_logo(folder / "logo.png")
            config = folder / "digest.toml"
            config.write_text(config.read_text(encoding="utf-8").replace("\n[[section]]", f"{LOGO}\n[[section]]", 1))
        self.run("issue", "assemble", "--period", "2021-09", "--number", "21")
        if draft:
            return
        self.run("issue", "approve", "21", "--by", "Ada Park")
        self.run("send", "21", "--yes")

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "digest", *arguments]

    def run(self, *arguments: str, cwd: Path | None = None) -> None:
        """Run a command of ours in the workspace."""
        subprocess.run(self._command(arguments), cwd=cwd or self.folder, env=self._environment, check=True)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Run a command that serves until it is stopped; give its address."""
        command = self._command(arguments)
        with subprocess.Popen(
            command, cwd=self.folder, env=self._environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "http://" in line)
            yield str(re.findall(r"http://[\d.]+:\d+(?:/desk/open/\S+)?", said)[0])
            process.terminate()

    def mail(self, address: str) -> str:
        """Return the HTML of the mail to an address."""
        parser, box = BytesParser(policy=policy.default), mailbox.Maildir(self.folder / "outbox", create=False)
        mails = (parser.parsebytes(box.get_bytes(key)) for key in box.iterkeys())
        part = next(mail for mail in mails if address in str(mail["To"])).get_body(("html",))
        assert part is not None
        return str(part.get_content())


def draw_logo(path: Path) -> None:
    """Draw a light mark: three houses and a line."""
    mark = Image.new("RGBA", (264, 72), "#00000000")
    pen = ImageDraw.Draw(mark)
    for left, top, width in ((4, 30, 34), (46, 6, 34), (88, 40, 34)):
        pen.rectangle((left, top, left + width, 64), fill="#fcfcfb")
    pen.rectangle((136, 58, 260, 64), fill="#fcfcfb")
    pen.ellipse((222, 8, 260, 46), outline="#fcfcfb", width=6)
    mark.save(path)


class Camera:
    """Photographs pages and mails; one CSS pixel is one pixel."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._state: StorageState | None = None

    def sign_in(self, address: str) -> str:
        """Open the desk by its address, which works once; return where it is."""
        context = self._browser.new_context()
        context.new_page().goto(address)
        self._state = context.storage_state()
        context.close()
        return address.partition("/open/")[0]

    def take(self, page: str, width: int, height: int, scheme: str = "light") -> Image.Image:
        """Photograph an address, or a mail given as HTML."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            storage_state=self._state,
        )
        sheet = context.new_page()
        if page.startswith("http"):
            sheet.goto(page, wait_until="load")  # a page that follows files is never idle
            sheet.wait_for_timeout(2_000)
        else:
            sheet.set_content(page, wait_until="networkidle")
        taken = Image.open(io.BytesIO(sheet.screenshot())).convert("RGB")
        context.close()
        return taken


def side_by_side(pictures: Sequence[Image.Image], gap: int = 24) -> Image.Image:
    """Put pictures in a row, each with an edge, on one ground."""
    framed = [ImageOps.expand(picture, 1, EDGE) for picture in pictures]
    width = sum(picture.width for picture in framed) + gap * (len(framed) + 1)
    sheet = Image.new("RGB", (width, max(picture.height for picture in framed) + 2 * gap), GROUND)
    left = gap
    for picture in framed:
        sheet.paste(picture, (left, gap))
        left += picture.width + gap
    return sheet


def save(name: str, picture: Image.Image) -> None:
    path = TARGET / f"{name}.png"
    small = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {picture.width} × {picture.height}, {path.stat().st_size // 1000} kB")


def shots(
    camera: Camera, plain: Sample, themed: Sample, draft: Sample, stack: ExitStack
) -> dict[str, partial[Image.Image]]:
    """Return what takes each picture, by name."""
    english, korean = plain.mail("anna.lindqvist@"), plain.mail("minjun.kim@")
    pages = stack.enter_context(plain.serving("serve"))
    stack.enter_context(themed.serving("serve"))
    preview = stack.enter_context(plain.serving("preview", "--port", "0"))
    desk = camera.sign_in(stack.enter_context(draft.serving("desk", "--port", "0")))
    plain.run("report", "21", "--html", "report.html")
    preferences = re.findall(rf'{plain.url}/preferences/[^"]+', english)[0].replace("&amp;", "&")
    report = (plain.folder / "report.html").read_text(encoding="utf-8")
    take = camera.take

    def pair(mail: str, scheme: str) -> Image.Image:
        return side_by_side([take(mail, DESK, 820, scheme), take(mail, PHONE, 820, scheme)])

    def schemes(sample: Sample) -> Image.Image:
        mails = [sample.mail("anna.lindqvist@"), sample.mail("minjun.kim@")]
        return side_by_side([take(mail, PHONE, 620, scheme) for scheme in ("light", "dark") for mail in mails])

    return {
        "mail": partial(pair, english, "light"),
        "mail-dark": partial(pair, english, "dark"),
        "mail-korean": partial(pair, korean, "light"),
        "matrix": partial(take, f"{preview}/#matrix", 1180, 700),
        "desk-month": partial(take, desk, 1180, 420),
        "desk-article": partial(take, f"{desk}/articles/its-subsidy", 1180, 860),
        "desk-issue": partial(take, f"{desk}/issue", 1180, 760),
        "desk-check": partial(take, f"{desk}/check", PHONE, 620),
        "desk-look": partial(take, f"{desk}/look", 1180, 760),
        "start": partial(take, pages, 1080, 900),
        "preferences": partial(take, preferences, 900, 980),
        "report": partial(take, report, 1000, 900),
        "theme": partial(schemes, themed),
    }


def main(names: list[str]) -> None:
    """Take the named pictures, or all."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("screenshots: skipped, there is no Chromium (apt-get install chromium)", file=sys.stderr)
        return
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, ExitStack() as stack:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        plain, themed = Sample(Path(folder) / "plain"), Sample(Path(folder) / "themed", THEME)
        draft = Sample(Path(folder) / "draft", draft=True)
        for name, shot in shots(Camera(browser), plain, themed, draft, stack).items():
            if not names or name in names:
                save(name, shot())
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
