"""The sample workspace, checked by what it is made of: TOML, front matter and CSV. No code of the product is involved."""

import csv
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import frontmatter
import pytest
from PIL import Image

SAMPLE = Path(__file__).resolve().parents[4] / "digest" / "workspace" / "sample"
ARTICLES = SAMPLE / "articles"
KEYS = {
    "title", "slug", "summary", "section", "topics", "kind", "date", "sources", "link", "image", "images", "video", "videos",
    "citation", "pin", "weight", "display", "lang", "translation_of", "apply_by",
}  # fmt: skip
KINDS = {"story", "gallery", "video", "videos", "notice", "citation"}
NESTED = {
    "image": {"src", "alt", "caption", "credit"},
    "videos": {"title", "summary", "url", "poster", "alt"},
    "citation": {"authors", "journal", "volume", "number", "date", "pages", "contact"},
}
FACTS = {
    "wsce-2021": ["8 to 10 September", "KINTEX", "MOLIT", "MSIT", "LH", "K-water", "See: REAL YOUR SMART CITY",
                  "60 consultations", "187 billion won", "1.29 billion won", "25 conferences", "3 government-to-government",
                  "1 memorandum", "185 companies", "13 local governments", "5 countries"],
    "certified-cities": ["63 indicators", "Seoul", "Daegu", "Daejeon", "Bucheon", "Anyang", "Gangnam-gu", "Guro-gu",
                         "Seongdong-gu", "one-stop parking service that links the special-purpose company (SPC) of Bucheon Smart City",
                         "the sharing economy platform and private services", "innovation", "governance and institutions", "service and technology", "every two years"],
    "smart-city-solutions": ["Smart shelter", "Smart pedestrian crossing", "I-MOD", "Parking robot", "Integrated operation centre"],
    "ecuador-smart-city-policy": ["2013", "Yachay", "Guayaquil", "Cuenca", "telemedicine", "SENPLADES (2017)", "MINTEL (2019b)",
                                  "Arturo Cabrera (2021)", "1990–2014"],
    "truck-platooning": ["four years", "9 September", "joins", "keeps", "leaves", "mobile app", "25 years"],
    "k-uam-operation-concept": ["2025", "Operation Concept 1.0", "normal and in abnormal situations", "Corridors"],
    "its-subsidy": ["48 local governments", "2022", "Korean New Deal", "2009", "July", "secondary accidents"],
    "seoul-private-sites": ["about 100", "next year", "CCTV", "IoT", "blockchain"],
    "daejeon-fire-prevention": ["June", "August", "Digital New Deal", "procurement", "app and text message"],
    "alliance-members": ["any time", "e-mail", "ventures", "mid-sized", "public bodies"],
    "certified-cities-ko": ["부천 스마트시티 특수목적법인(SPC)·공유경제 플랫폼·민간서비스를 연계한 원스톱 주차서비스"],
    "ecuador-smart-city-policy-ko": ["2013년", "야차이", "과야킬", "쿠엥카", "원격의료", "SENPLADES(2017)", "MINTEL(2019b)",
                                     "Arturo Cabrera(2021)", "1990~2014년", "초기 단계"],
    "its-subsidy-ko": ["48곳", "2022년", "한국판 뉴딜", "2009년", "7월", "2차 사고", "광역·기초"],
    "seoul-private-sites-ko": ["약 100곳", "내년", "CCTV", "IoT", "블록체인", "올해 말"],
    "daejeon-fire-prevention-ko": ["6월", "8월", "디지털 뉴딜", "혁신제품", "앱 알림과 문자메시지", "전통시장"],
    "paper-developing-countries-ko": ["수준", "시장", "한국도시지리학회지"],
    "paper-5g-smart-city-ko": ["5G", "한국통신학회지(정보와통신)"],
    "paper-traffic-energy-ko": ["탈탄소화", "한국통신학회지(정보와통신)"],
    "paper-developing-countries": ["Hwan-Young Jang", "Joo Won-Joo", "Jong-Jin Kim", "113–128", "2021"],
    "paper-5g-smart-city": ["Junsu Kim", "Howon Lee", "Jaehyun Kim", "55–63", "2021-08"],
    "paper-traffic-energy": ["Hwang Bo-Jun", "Kim Su-Ji", "64–70", "044-417-9668"],
}  # fmt: skip


def read_articles() -> dict[str, frontmatter.Post]:
    posts = [frontmatter.loads(path.read_text(encoding="utf-8")) for path in sorted(ARTICLES.glob("**/*.md"))]
    return {str(post["slug"]): post for post in posts}


def pictures(post: frontmatter.Post) -> list[dict[str, Any]]:
    """Every picture of an article as a mapping with `src` and `alt`; a video's is its poster."""
    images = [post["image"]] if "image" in post else []
    videos = post.get("videos", []) + ([post["video"]] if "video" in post else [])
    return images + post.get("images", []) + [{"src": v["poster"], "alt": v["alt"]} for v in videos]


CONFIG = tomllib.loads((SAMPLE / "digest.toml").read_text(encoding="utf-8"))
POSTS = read_articles()
ENGLISH = {slug: post for slug, post in POSTS.items() if post["lang"] == "en"}
KOREAN = {slug: post for slug, post in POSTS.items() if post["lang"] == "ko"}
with (SAMPLE / "readers.csv").open(encoding="utf-8", newline="") as lines:
    READERS = list(csv.DictReader(lines))
BY_ADDRESS = {reader["email"]: reader for reader in READERS}


def test_there_are_thirteen_articles_in_two_languages() -> None:
    assert len(ENGLISH) == 13
    assert {post["translation_of"] for post in KOREAN.values()} == set(ENGLISH)
    assert len(KOREAN) == 13
    assert len(list(ARTICLES.glob("*.md"))) == len(POSTS), "a slug is used twice"


@pytest.mark.parametrize("slug", POSTS)
def test_front_matter_has_only_the_keys_and_kinds_of_the_design(slug: str) -> None:
    post = POSTS[slug]
    assert set(post.keys()) <= KEYS
    assert post["kind"] in KINDS
    assert post["title"]
    assert post["summary"].strip()
    for image in [*post.get("images", []), *([post["image"]] if "image" in post else [])]:
        assert set(image) == NESTED["image"]
    for video in post.get("videos", []):
        assert set(video) == NESTED["videos"]
        assert video["url"].startswith("https://example.org/videos/")
    assert set(post.get("citation", {})) <= NESTED["citation"]


@pytest.mark.parametrize("slug", POSTS)
def test_section_and_topics_of_every_article_are_configured(slug: str) -> None:
    assert POSTS[slug]["section"] in {section["slug"] for section in CONFIG["section"]}
    assert set(POSTS[slug]["topics"]) <= {interest["slug"] for interest in CONFIG["interest"]}


def test_sections_have_articles_in_order_and_interests_their_own() -> None:
    places = [(post["section"], post["weight"]) for post in ENGLISH.values()]
    assert len(set(places)) == len(places)
    assert {section for section, _ in places} == {section["slug"] for section in CONFIG["section"]}
    assert {"mobility", "safety", "certification"} == {topic for post in ENGLISH.values() for topic in post["topics"]}
    assert any(post["topics"] == [] for post in ENGLISH.values())


def test_texts_by_language_are_complete() -> None:
    tables = [*CONFIG["section"], *CONFIG["interest"]]
    texts = [table[key] for table in tables for key in ("title", "description") if key in table]
    texts += [CONFIG["publication"][key] for key in ("name", "tagline", "sender_name", "postal_address")]
    assert len(texts) == 6 + 2 * 3 + 4
    assert all(set(text) == {"en", "ko"} and all(text.values()) for text in texts)


def test_the_sample_can_send_nothing_and_asks_for_an_approval() -> None:
    assert CONFIG["delivery"] == {"transport": "maildir", "allow_send": False}
    assert CONFIG["approval"]["required"] == 1
    assert "relay" not in CONFIG
    assert CONFIG["publication"]["sender_address"].endswith("@example.org")


def test_translations_share_their_originals_place_and_pictures() -> None:
    for slug, post in KOREAN.items():
        original = ENGLISH[post["translation_of"]]
        assert slug == f"{post['translation_of']}-ko"
        for key in ("section", "topics", "kind", "date", "weight", "link", "pin"):
            assert post.get(key) == original.get(key), (slug, key)
        assert [p["src"] for p in pictures(post)] == [p["src"] for p in pictures(original)]
        assert re.search("[가-힣]", f"{post['title']}{post['summary']}")
        blocks, originals = ([b for b in p.content.split("\n\n") if not b.startswith("[^")] for p in (post, original))
        assert len(blocks) == len(originals), slug
        for own in ("authors", "volume", "number", "date", "pages", "contact"):
            assert post.get("citation", {}).get(own) == original.get("citation", {}).get(own)


def test_every_picture_is_referenced_and_each_reference_has_one() -> None:
    referenced = {picture["src"] for post in POSTS.values() for picture in pictures(post)}
    present = {path.relative_to(ARTICLES).as_posix() for path in (ARTICLES / "images").iterdir()}
    assert referenced == present


@pytest.mark.parametrize("slug", [slug for slug in POSTS if pictures(POSTS[slug])])
def test_every_picture_has_an_alternative_text_of_some_worth(slug: str) -> None:
    texts = [picture["alt"].strip() for picture in pictures(POSTS[slug])]
    assert all(len(text) >= 15 for text in texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("path", sorted((ARTICLES / "images").iterdir()), ids=lambda path: path.name)
def test_pictures_are_twice_as_wide_as_a_mail_and_light(path: Path) -> None:
    assert path.stat().st_size < 90_000
    with Image.open(path) as image:
        assert image.width == 1200
        if path.name.startswith(("video-", "wsce")):
            assert image.height == 675


def test_the_lead_is_the_only_pinned_article() -> None:
    assert [slug for slug, post in ENGLISH.items() if post.get("pin")] == ["wsce-2021"]
    assert ENGLISH["wsce-2021"]["image"]["src"]


@pytest.mark.parametrize(("slug", "fact"), [(slug, fact) for slug, facts in FACTS.items() for fact in facts])
def test_facts_of_the_issue_are_told(slug: str, fact: str) -> None:
    post = POSTS[slug]
    text = " ".join(f"{post.metadata} {post.content}".split())
    assert fact in text


def test_dates_lie_in_the_month_of_the_issue_or_are_left_open() -> None:
    dated = {slug: str(post["date"]) for slug, post in ENGLISH.items() if "date" in post}
    assert all(date.startswith("2021-09") for date in dated.values())
    # A paper of August would count as late; undated, it belongs to the next issue that is assembled.
    assert set(ENGLISH) - set(dated) == {
        slug for slug, post in ENGLISH.items() if post["kind"] in ("citation", "notice")
    }


def test_nothing_of_the_garbled_translation_is_left() -> None:
    text = " ".join(f"{post.metadata} {post.content}" for post in ENGLISH.values())
    for scrap in ("XNUMX", " 건", "Lightall", "Cuenca(Basin)", "selected selected", "three gus"):
        assert scrap not in text


def test_footnotes_are_defined_where_they_are_used() -> None:
    for slug, post in POSTS.items():
        used = Counter(re.findall(r"\[\^(\w+)\](?!:)", post.content))
        assert set(used) == set(re.findall(r"^\[\^(\w+)\]:", post.content, re.MULTILINE)), slug


def test_readers_have_the_designs_columns_and_unique_addresses() -> None:
    design = "email,name,interests,language,format,frequency,status,confirmed_at,consent_source"
    assert list(READERS[0]) == [*design.split(","), "paused_until"]
    assert all(None not in reader and None not in reader.values() for reader in READERS)
    assert len({reader["email"].lower() for reader in READERS}) == len(READERS) == 31
    for reader in READERS:
        assert re.search(r"@(example\.(org|com|net)|bücher\.example)$", reader["email"].lower())


def test_twenty_four_readers_are_due_issue_21() -> None:
    due = [r for r in READERS if r["status"] == "confirmed" and not r["paused_until"] and r["frequency"] != "second"]
    assert len(due) == 24
    left_out = Counter(r["status"] for r in READERS if r["status"] != "confirmed")
    assert left_out == {"pending": 2, "unsubscribed": 1, "suppressed": 1}
    assert [r["paused_until"] for r in READERS if r["paused_until"]] == ["2099-12-31"]
    assert {r["frequency"] for r in READERS} == {"every", "second", "third"}


def test_confirmed_readers_say_when_and_how_they_agreed() -> None:
    for reader in READERS:
        assert reader["consent_source"]
        assert bool(reader["confirmed_at"]) == (reader["status"] != "pending")


def test_interests_are_known_canonical_and_varied() -> None:
    known = {interest["slug"] for interest in CONFIG["interest"]}
    chosen = {reader["interests"] for reader in READERS}
    for interests in chosen - {"*", ""}:
        assert interests == ";".join(sorted(set(interests.split(";")) & known))
    assert len(chosen - {""}) == 8
    assert "" in chosen


def test_languages_and_formats_are_mixed() -> None:
    assert sum(reader["language"] == "ko" for reader in READERS) >= 6
    assert sum(reader["format"] == "text" for reader in READERS) >= 3
    assert {reader["language"] for reader in READERS} == {"en", "ko"}
    assert {reader["format"] for reader in READERS} == {"html", "text"}


def test_the_odd_readers_are_there() -> None:
    names = [reader["name"] for reader in READERS]
    assert "김민준" in names
    assert 'O\'Brien & <b>Sons</b> "Q"' in names
    assert max(map(len, names)) >= 100
    assert "" in names
    assert BY_ADDRESS["reader@bücher.example"]["status"] == "confirmed"
    assert any("+" in address for address in BY_ADDRESS)
    assert any(address != address.lower() for address in BY_ADDRESS)
