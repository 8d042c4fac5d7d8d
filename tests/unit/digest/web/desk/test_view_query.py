"""What an editor chose, as an address."""

from urllib.parse import parse_qs

from digest.web.desk.mail_clients import MailClient
from digest.web.desk.view_query import Choice, Options, frame_rows, tools


def test_a_choice_names_each_interest_and_survives_an_address() -> None:
    query = parse_qs(Choice("ko", "mobility;safety", reader="r&1").query)
    assert query == {"language": ["ko"], "interests": ["mobility", "safety"], "reader": ["r&1"]}


def test_no_interests_is_not_all_interests() -> None:
    assert Choice("en", "").query == "language=en"
    assert Choice("en", "*").query == "language=en&interests=%2A"


def test_light_and_dark_stand_side_by_side_in_both_widths() -> None:
    rows = frame_rows(Choice("en", "*"), Options(), "Edition")
    assert [[(frame["width"], frame["caption"]) for frame in row["frames"]] for row in rows] == [
        [(600, "Light"), (600, "Dark")],
        [(375, "Light"), (375, "Dark")],
    ]


def test_every_frame_has_a_title_of_its_own() -> None:
    titles = [frame["title"] for row in frame_rows(Choice("en", "*"), Options(), "E") for frame in row["frames"]]
    assert len(set(titles)) == 4


def test_text_has_neither_width_nor_scheme() -> None:
    rows = tools(Choice("en", "*"), Options(view="text"))
    assert [row.name for row in rows] == ["Show"]
    assert [item["name"] for item in rows[0].items if item["current"]] == ["Plain text"]


def test_a_tool_changes_one_thing_and_keeps_the_rest() -> None:
    width = tools(Choice("en", "*"), Options(scheme="dark", client=MailClient.NO_IMAGES))[2]
    assert [parse_qs(item["query"])["scheme"] for item in width.items] == [["dark"]] * 4
    assert [parse_qs(item["query"])["client"] for item in width.items] == [["no-images"]] * 4
    assert [parse_qs(item["query"])["width"] for item in width.items] == [["both"], ["600"], ["375"], ["320"]]


def test_an_app_without_the_dark_palette_has_one_frame_a_width() -> None:
    options = Options(client=MailClient.GMAIL)
    assert [len(row["frames"]) for row in frame_rows(Choice("en", "*"), options, "E")] == [1, 1]
    assert [row.name for row in tools(Choice("en", "*"), options)] == ["Show", "Mail app", "Width"]
