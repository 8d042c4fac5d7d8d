"""Elements that selectors find, and what is inlined with them: the same as by the libraries."""

import pytest
from lxml import html as lxml_html
from lxml.cssselect import CSSSelector

from digest.render import inline
from digest.render.edition import variables_of
from digest.render.loader import Templates
from digest.render.mail import theme_of
from digest.render.mjml import to_html
from digest.render.selectors import ElementIndex
from digest.render.shortening import settle_lengths
from tests.support.render_sample import edition

MARKUP = (
    '<div class="a"><p>1</p><p class="b a">2</p><div class=" b  a"><p id="i">3</p><div class="ab"><p>4</p></div></div>'
    '<!-- p --><b class="b">5</b></div><div id="x"><p class="A">6</p><div><p class="b\ta">7</p></div></div>'
)


@pytest.mark.parametrize(
    "selector",
    ["p", ".a", "p.a.b", ".a p", ".a > p", "div.a>p", ".a .a p", "div div p", ".c p", ".a .c", "dl", ".a dl", "p, .b",
     "p + p", "p:first-child", "*.a", "[id]", "#x p", ".a   >   .b", "html", "html.a p", "body > div"],
)  # fmt: skip
def test_selections_are_those_of_xpath(selector: str) -> None:
    tree = lxml_html.document_fromstring(MARKUP)
    select = ElementIndex(tree, CSSSelector)
    found = select(selector)
    assert {*found} == {*CSSSelector(selector)(tree)}
    assert len(found) == len({*found})
    assert select(selector) == found


@pytest.mark.parametrize("language", ["en", "ko", "ar"])
def test_styles_are_inlined_as_by_the_library(language: str) -> None:
    templates = Templates()
    shown = settle_lengths(edition(language=language), {})
    variables = variables_of(shown, theme_of(templates, {}), "0" * 16)
    html = to_html(templates.render("email/digest/body.mjml.j2", language, variables))
    css = templates.render("email/layouts/inline.css.j2", language, variables)
    css += "[align] { color: red; } p + p { color: blue; } .p:hover { color: green; } TD.x, body > div { margin: 0; }"
    prepared = inline._STYLE_OR_COMMENT.sub(inline._protect, html)
    library = inline.Premailer(prepared, css_text=css, **inline._OPTIONS).transform(pretty_print=False)
    assert inline._transform(prepared, css) == library
    assert 'style="' in library
