"""The state that is shown is the state that counts: an approval that a change has voided is not shown as one."""

import pytest

from tests.support.world import World

pytestmark = pytest.mark.one_database
VOID = "approved, but its approval is no longer valid: article wsce-2021 changed"


def test_list_and_show_say_that_an_approval_no_longer_holds(approved: World) -> None:
    assert "no longer valid" not in approved.digest("issue", "list") + approved.digest("issue", "show", "21")
    article = approved.folder / "articles" / "wsce-2021.md"
    article.write_text(article.read_text().replace("closes in Goyang", "ends in Goyang"))
    approved.digest("articles", "import", "articles")
    for command in (("issue", "list"), ("issue", "show", "21")):
        assert VOID in " ".join(approved.digest(*command).split())
    assert approved.json("issue", "list")[0]["changed"] == ["article wsce-2021 changed"]
    assert approved.json("issue", "show", "21")["changed"] == ["article wsce-2021 changed"]
    approved.digest("send", "21", "--yes", expect=3)
    approved.digest("issue", "approve", "21", "--by", "Ada")
    assert approved.json("issue", "list")[0]["changed"] == []
    assert "no longer valid" not in approved.digest("issue", "list")
