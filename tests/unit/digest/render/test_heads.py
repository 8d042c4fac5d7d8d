"""Heads of editions: the rules that MJML writes for what a mail uses."""

import pytest

from digest.render.checks.fragments import NotComposableError
from digest.render.heads import head_of, rules_in, with_rules, without_rules
from digest.render.inline import inline
from digest.render.mjml import to_html

ACCORDION = (
    "<mj-accordion><mj-accordion-element><mj-accordion-title>A</mj-accordion-title>"
    "<mj-accordion-text>B</mj-accordion-text></mj-accordion-element></mj-accordion>"
)
IMAGE = '<mj-carousel-image src="https://example.org/a.png"/>'
BODIES = {
    "one column": "<mj-column><mj-text>a</mj-text></mj-column>",
    "two columns": "<mj-column><mj-text>a</mj-text></mj-column>" * 2,
    "own widths": '<mj-column width="33%"><mj-text>a</mj-text></mj-column><mj-column width="120px"></mj-column>',
    "a group": f"<mj-group>{'<mj-column><mj-text>a</mj-text></mj-column>' * 3}</mj-group>",
    "an accordion": f"<mj-column>{ACCORDION}</mj-column>",
    "a carousel": f"<mj-column><mj-carousel>{IMAGE * 3}</mj-carousel></mj-column>",
    "both": f"<mj-column><mj-carousel>{IMAGE * 3}</mj-carousel>{ACCORDION}</mj-column>",
    "both the other way": f"<mj-column>{ACCORDION}<mj-carousel>{IMAGE * 3}</mj-carousel></mj-column>",
}


def mail(body: str, style: str = ".a { color: red; }") -> str:
    head = f"<mj-head><mj-title>A</mj-title><mj-style>{style}</mj-style></mj-head>"
    return inline(to_html(f"<mjml>{head}<mj-body><mj-section>{body}</mj-section></mj-body></mjml>"), "p { margin: 0; }")


def test_mails_have_one_head_with_all_rules() -> None:
    mails = [mail(body) for body in BODIES.values()]
    rules = frozenset[str]().union(*map(rules_in, mails))
    made = [with_rules(one, rules) for one in mails]
    assert len({head_of(one) for one in mails}) == len(mails)
    assert len({head_of(one) for one in made}) == 1
    assert {rules_in(one) for one in made} == {rules}
    assert [one.partition("<body")[2] for one in made] == [one.partition("<body")[2] for one in mails]


@pytest.mark.parametrize("name", [name for name in BODIES if "carousel" not in name and not name.startswith("both")])
def test_a_mail_with_its_own_rules_is_unchanged(name: str) -> None:
    html = mail(BODIES[name])
    assert with_rules(html, rules_in(html)) == html
    assert without_rules(html) == without_rules(mail(BODIES["one column"]))


def test_a_rule_that_is_missing_is_refused() -> None:
    html = mail(BODIES["two columns"])
    with pytest.raises(NotComposableError):
        with_rules(html, rules_in(mail(BODIES["one column"])))


def test_styles_of_a_template_are_no_rules() -> None:
    one, other = mail(BODIES["one column"]), mail(BODIES["one column"], ".a { color: blue; }")
    assert rules_in(one) == rules_in(other)
    assert without_rules(one) != without_rules(other)


def test_a_mail_without_columns_has_no_rules() -> None:
    html = "<html><head><title>A</title></head><body>.mj-column-per-1 { } </body></html>"
    assert rules_in(html) == frozenset()
    assert with_rules(html, frozenset()) == html
