"""Links lead somewhere, and every page can be reached from README."""

import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = re.compile(r"`((?:engine|api)/[\w/.]+)`")
NAME = re.compile(r"`(tipman(?:\.\w+)+)`")
FILES = {"tipman.db", "tipman.py", "tipman.service", "tipman.toml"}
WHERE = ROOT / "docs" / "where-things-are.md"


@cache
def text_of(page):
    """What people read of a page: without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors_of(page):
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


def links_of(page):
    """Yield the file and the anchor of each link that stays in the repository."""
    for link in LINK.findall(text_of(page)):
        if not re.match(r"\w+:", link):
            path, _, anchor = link.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    astray = [
        (str(target), anchor)
        for target, anchor in links_of(page)
        if not target.exists() or (anchor and anchor not in anchors_of(target))
    ]

    assert astray == []


def test_every_page_can_be_reached_from_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [target for target, _ in links_of(page) if target.suffix == ".md"]

    assert set(PAGES) - reached == set()


def test_every_decision_is_listed_by_its_title():
    folder = ROOT / "docs" / "decisions"
    titles = {page.name: page.read_text("utf-8").splitlines()[0] for page in folder.glob("0*.md")}
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", text_of(folder / "README.md"), re.MULTILINE)

    assert {name: f"# {title}" for title, name in listed} == titles


def test_every_source_that_the_map_names_is_there():
    named = SOURCE.findall(WHERE.read_text("utf-8"))

    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_name_of_the_package_that_a_page_says_is_there():
    for page in PAGES:
        for name in set(NAME.findall(text_of(page))) - FILES:
            assert pkgutil.resolve_name(name), f"{page.name} says {name}"
