"""The documentation site: every link leads to a page, and nothing comes from another host."""

import re

import pytest

from tests.support import EXAMPLES
from tools import site

LOADED = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc="?([^"\s>]+)|<link[^>]*\shref="?([^"\s>]+)""")


def test_each_example_has_one_situation() -> None:
    assert sorted(name for names in site.SITUATIONS.values() for name in names) == [file.stem for file in EXAMPLES]


@pytest.mark.proof
def test_the_site_builds_without_a_broken_link() -> None:
    site.build()
    html = {str(file.relative_to(site.SITE / "html")): file.read_text() for file in site.SITE.rglob("html/**/*.html")}
    assert {"index.html", "reference.html", "commands/policy-diff.html", "examples/vpn.html"} < html.keys()
    loaded = {a or b for text in html.values() for a, b in LOADED.findall(text)}
    assert loaded
    assert [each for each in sorted(loaded) if "//" in each] == []
    index = (site.SITE / "html/search/search_index.json").read_text()
    assert "astronomer-remote-management" in index
