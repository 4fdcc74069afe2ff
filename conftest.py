"""Docs are tests: every `python` block in Markdown, every `>>>` in a docstring."""

import os
from doctest import ELLIPSIS
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection


def _enter_a_folder(namespace: dict[str, Any]) -> None:
    """Let a page's examples work in a folder of their own: what they write goes with it."""
    namespace["_folder"] = TemporaryDirectory()
    namespace["_came_from"] = Path.cwd()
    os.chdir(namespace["_folder"].name)


def _leave_the_folder(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_came_from"])
    namespace["_folder"].cleanup()


_pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()],
    patterns=["*.md"],
    setup=_enter_a_folder,
    teardown=_leave_the_folder,
)
_docstrings = [
    Sybil(parsers=[DocTestParser(optionflags=ELLIPSIS)], patterns=["*.py"], path=root)
    for root in ("engine", "api")
]
pytest_collect_file = SybilCollection([_pages, *_docstrings]).pytest()
