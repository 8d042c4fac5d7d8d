"""A person at a page of the desk: with a mouse, or with nothing but the keyboard."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

MOST_TABS = 250
"""More stops than any page of the sample has: what is not reached by then is not reached at all."""
_IS_REACHED = "one => one === document.activeElement"
_SHOWS_IT = (
    "one => { const look = getComputedStyle(one); return look.outlineStyle !== 'none' || look.boxShadow !== 'none'; }"
)


@dataclass
class Hands:
    """Acts as a person does; with the keyboard, every stop on the way is a Tab, and the focus must show."""

    page: Page
    keyboard: bool

    def use(self, role: str, name: str, within: Locator | None = None) -> None:
        """Press a button, follow a link, or open a disclosure."""
        target = (within or self.page.locator("body")).get_by_role(role, name=name).first  # type: ignore[arg-type]
        self.use_one(target)

    def go(self, name: str) -> None:
        """Follow a link of the desk's menu."""
        self.use_one(self.page.locator("nav.menu").get_by_role("link", name=name, exact=True))

    def use_one(self, target: Locator) -> None:
        """The same, with what is on the page already."""
        if not self.keyboard:
            return target.click()
        self._reach(target)
        if target.evaluate("one => one.tagName") != "A":
            return self.page.keyboard.press("Enter")
        with self.page.expect_navigation():  # as a click waits for it
            return self.page.keyboard.press("Enter")

    def write(self, field: str, text: str) -> None:
        """Replace what a field holds."""
        target = self.page.locator(field)
        if not self.keyboard:
            return target.fill(text)
        self._reach(target)
        self.page.keyboard.press("Control+A")
        return self.page.keyboard.insert_text(text)

    def tick(self, label: str) -> None:
        """Tick a box."""
        target = self.page.get_by_label(label)
        if self.keyboard:
            self._reach(target)
            self.page.keyboard.press("Space")
        else:
            target.click()
        expect(target).to_be_checked()

    def choose(self, field: str, option: str) -> None:
        """Choose from a list."""
        target = self.page.locator(field)
        if not self.keyboard:
            target.select_option(label=option)
            return
        self._reach(target)
        self.page.keyboard.press("Home")
        for _ in range(target.locator("option", has_text=option).evaluate("one => one.index")):
            self.page.keyboard.press("ArrowDown")

    def _reach(self, target: Locator) -> None:
        target.wait_for()
        for _ in range(MOST_TABS):
            if target.evaluate(_IS_REACHED):
                assert target.evaluate(_SHOWS_IT), f"the focus does not show on {target}"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{self.page.url}: Tab does not reach {target}")
