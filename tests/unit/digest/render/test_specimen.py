"""The specimen shows every component in each language."""

import re
from pathlib import Path

import pytest

from digest.render.edition import render_edition
from digest.render.loader import Templates
from digest.render.specimen import specimen, with_pictures
from digest.settings.root import load_settings
from tests.support import web_sample


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_component_is_there_and_blocks_nothing(tmp_path: Path, language: str) -> None:
    settings, templates = load_settings(web_sample.workspace_in(tmp_path), {}), Templates()
    rendered = render_edition(specimen(settings, language, templates.translate(language)), templates)
    assert [one for one in rendered.findings if one.severity == "block"] == []
    html = with_pictures(rendered.html, settings)
    assert not re.findall(r'<img[^>]*src="(?!data:)', html)
    for element in ("<table", "<blockquote", "<li", "by-when", 'class="button', "data:image/png"):
        assert element in html, element
