"""Pictures and files of a body under the publication's address."""

from digest.articles.embeds import ArticleImage, PictureFile
from digest.render.figures import place
from digest.render.plaintext import plain_body

BASE = "https://digest.example.org"
FILES = {
    "a b.png": ArticleImage(
        "a b.png",
        "Chart & <map>",
        "Numbers",
        use="body",
        file=PictureFile("f" * 64, "png", 100, 400),
        shown=PictureFile("e" * 64, "png", 100, 125),
    ),
    "l.pdf": ArticleImage("l.pdf", use="file", size=1_250_000, file=PictureFile("d" * 64, "pdf", 0, 0)),
}


def test_paths_become_addresses_with_type_and_size() -> None:
    body = '<p class="figure"><img src="a%20b.png" alt="Chart &amp; &lt;map&gt;" title="Numbers"></p><p><a href="l.pdf">List</a> <a href="https://e.org/l.pdf">E</a></p>'
    html = place(body, FILES, BASE, str.upper)
    assert f'src="{BASE}/media/{"e" * 64}.png" alt="Chart &amp; &lt;map&gt;" width="100" height="125"' in html
    assert (
        f'Numbers<br><a href="{BASE}/media/{"f" * 64}.png" aria-label="SEE THE FULL PICTURE: Chart &amp; &lt;map&gt;">SEE THE FULL PICTURE</a>'
        in html
    )
    assert f'<a href="{BASE}/media/{"d" * 64}.pdf">List</a> (PDF, 1.2 MB) <a href="https://e.org/l.pdf">E</a>' in html
    assert plain_body(html, picture="Picture: %s").startswith(
        "[Picture: Chart & <map>]\nNumbers\nSEE THE FULL PICTURE [1]\n"
    )


def test_what_is_not_stored_is_left_out_and_keeps_its_words() -> None:
    assert place('<p><img src="x.png" alt="x"><a href="y.pdf">List</a></p>', FILES, BASE, str) == "<p>List</p>"
