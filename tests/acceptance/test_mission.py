"""The whole mission once, with the real commands: the calendar fires, the issue goes out over SMTP, readers change their
minds through the links in their mail, and the next month respects it."""

import json
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import lxml.html

from tests.support.world import World, free_port, html_of, mails, text_of

OCTOBER = {
    "trams.md": ("Trams with a timetable of their own", "mobility"),
    "alarms.md": ("Smoke alarms that call for help", "safety"),
}


def configure(world: World, relay_port: int, web_port: int) -> None:
    path = world.folder / "digest.toml"
    text = path.read_text()
    text = re.sub(r"(?m)^base_url = .*$", f'base_url = "http://127.0.0.1:{web_port}"', text)
    text = re.sub(r'(?m)^transport = "maildir".*$', 'transport = "smtp"', text)
    path.write_text(f'{text}\n[[relay]]\nhost = "127.0.0.1"\nport = {relay_port}\ntls = "none"\n')


def post(url: str, **fields: str) -> str:
    request = urllib.request.Request(url, data=urlencode(fields).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 200
        return response.read().decode()


def submit(url: str, **changed: str) -> None:
    """Fetch a page, fill in the form that has these fields as a person would, and press its button."""
    with urllib.request.urlopen(url, timeout=30) as page:
        forms = lxml.html.fromstring(page.read()).forms
    [form] = [form for form in forms if set(changed) <= {choice.get("name") for choice in form.inputs}]
    [button] = form.xpath(".//button[@type='submit']")
    changed[button.get("name")] = button.get("value")
    post(url, **{**{name: value for name, value in form.form_values() if name not in changed}, **changed})


def mail_to(folder: Path, address: str, subject_part: str):
    found = [m for m in mails(folder) if m["To"].addresses[0].addr_spec == address and subject_part in m["Subject"]]
    assert len(found) == 1, f"{len(found)} mails to {address}"
    return found[0]


def month(world: World, now: str) -> None:
    """The calendar fires, an editor approves, the next look at the clock sends."""
    world.set_now(now)
    assert json.loads(world.process("tick", "--json", expect=1))[0]["state"] == "waiting"
    world.digest("issue", "approve", "--by", "Ada")
    assert world.json("tick")[0]["state"] == "done"
    assert world.json("tick") == []  # the month's run is over


def test_the_whole_mission(sample: World) -> None:
    world, relay_port, web_port = sample, free_port(), free_port()
    configure(world, relay_port, web_port)
    kept = world.folder / "kept"
    for address in ("anna@example.org", "ben@example.org"):
        world.digest("subscribers", "add", address, "--interests", "mobility", "--confirmed-by", "test")
    world.set_now("2021-09-29T12:00:00+09:00")
    [told] = world.json("tick")  # installed; the calendar counts from here, and the draft is there a week before
    assert (told["period"], told["state"], told["step"]) == ("2021-09", "waiting", "approve")
    with (
        world.running("sink", "--port", str(relay_port), "--maildir", str(kept), port=relay_port),
        world.running("serve", "--port", str(web_port), port=web_port),
    ):
        month(world, "2021-09-30T09:01:00+09:00")
        first = mail_to(kept, "anna@example.org", "No. 1:")
        assert "platooning" in text_of(first)
        planned = world.json("outbox", "status")["planned"]
        assert len(mails(kept)) == planned > 20

        preferences = re.search(r"http://\S+/preferences/[^\s>)]+", text_of(first))
        assert preferences is not None
        submit(preferences[0], scope="some", interest="safety")
        assert world.json("subscribers", "show", "anna@example.org")["interests"] == ["safety"]

        ben = mail_to(kept, "ben@example.org", "No. 1:")
        post(ben["List-Unsubscribe"].strip("<>"), **{"List-Unsubscribe": "One-Click"})
        assert world.json("subscribers", "show", "ben@example.org")["state"] == "unsubscribed"

        for name, (title, topic) in OCTOBER.items():
            article = (
                f"---\ntitle: {title}\ntopics: [{topic}]\ndate: 2021-10-12\nsummary: News of October.\n---\n\nBody.\n"
            )
            (world.folder / "articles" / name).write_text(article)
        world.digest("articles", "import", "articles")
        month(world, "2021-10-31T09:01:00+09:00")
        second = mail_to(kept, "anna@example.org", "No. 2:")
        assert "Smoke alarms that call for help" in html_of(second)
        headings = re.findall(r"<h3[^>]*>(.*?)</h3>", html_of(second), re.DOTALL)
        assert not any("Trams" in heading for heading in headings)
        assert [m for m in mails(kept) if "ben@example.org" in m["To"] and "No. 2:" in m["Subject"]] == []
    history = world.json("schedule", "history")
    assert [(run["period"], run["state"]) for run in history] == [("2021-10", "done"), ("2021-09", "done")]
