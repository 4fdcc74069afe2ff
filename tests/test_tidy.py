"""Style that a machine can hold: sizes, docstrings, names, reasons."""

import ast
import re
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from tipman import events, registrations
from tipman.version import VERSION

ROOT = Path(__file__).parent.parent
SOURCES = sorted(chain(ROOT.glob("engine/**/*.py"), ROOT.glob("api/**/*.py")))
BENCHMARKS = sorted(ROOT.glob("benchmarks/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/*.py"))
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
DRAWERS_WITHOUT_LABEL = frozenset(
    {"utils", "util", "helpers", "common", "base", "manager", "misc"}
)
EXCEPTION = re.compile(r"#\s*(noqa|type: ignore)\b")
REASONED = re.compile(r"#\s*(noqa: [A-Z0-9, ]+|type: ignore\[[a-z, -]+\]) +(-|#) \S")
IRREGULAR = frozenset({"lost", "timed_out"})


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def body_lines(function):
    """Count the lines of a function, its head and its docstring left out."""
    statements = function.body
    if ast.get_docstring(function, clean=False) is not None:
        statements = statements[1:]
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=name_of)
def test_a_file_and_its_functions_fit_on_a_few_screens(path):
    source = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    long = {f.name: body_lines(f) for f in functions if body_lines(f) > FUNCTION_LINES_MAX}
    assert len(source.splitlines()) <= FILE_LINES_MAX, "split it by noun"
    assert not long, "name its parts"


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS + TESTS, ids=name_of)
def test_a_file_says_in_one_line_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring, "a module starts with what it is for"
    assert docstring.splitlines()[0].endswith((".", ":")), docstring


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_is_named_for_what_is_in_it(path):
    assert path.stem not in DRAWERS_WITHOUT_LABEL


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS + TESTS, ids=name_of)
def test_an_exception_to_a_rule_carries_its_reason(path):
    lines = path.read_text(encoding="utf-8").splitlines()

    bare = [
        f"line {number}: {line.strip()}"
        for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False), 1)
        if EXCEPTION.search(line)
        and not REASONED.search(line)
        and not above.lstrip().startswith("#")
    ]
    assert not bare, "write `noqa: CODE - why`, or why in a comment above"


def test_every_module_is_in_the_architecture_page():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\n]+)`", page))

    missing = [
        name_of(path) for path in SOURCES if is_read(path) and not ways_to_name(path) & named
    ]
    assert not missing


def is_read(path):
    return not path.name.startswith("_") and path.parent.name != "migrations"


def ways_to_name(path):
    """Return every tail of a module's path, with its suffix and without: `executors/http`."""
    parts = path.relative_to(ROOT).parts
    tails = {"/".join(parts[start:]) for start in range(len(parts))}
    return tails | {tail.removesuffix(".py") for tail in tails}


def test_every_event_has_a_wire_name_of_its_own_in_the_past_tense():
    everything = [*vars(events).values(), *vars(registrations).values()]
    kinds = {kind for kind in everything if isinstance(kind, type)}
    names = [kind.wire for kind in kinds if "wire" in vars(kind) and kind is not events.Event]

    assert names
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for name in names:
        subject, _, verb = name.partition(".")
        assert re.fullmatch(r"[a-z_]+", subject), name
        assert re.fullmatch(r"[a-z_]*ed", verb) or verb in IRREGULAR, name


def test_the_changelog_has_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"## [{VERSION}]" in changelog or "## [Unreleased]" in changelog


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("*.lock")))
def test_a_lock_file_pins_and_hashes_everything_and_names_no_place(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", text.strip())

    assert all(re.match(r"[\w.-]+==[\w.]+ .*--hash=sha256:", r, re.DOTALL) for r in requirements)
    assert "://" not in text
