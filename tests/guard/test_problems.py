"""Problems: every code has its status and its line on the page, and nothing can break one."""

import json
import re
from pathlib import Path

import pytest
from tipman import errors
from tipman.errors import Fault, InvalidError
from tipman_api.problems import (
    DETAIL_CHARACTERS_MAX,
    ERRORS_MAX,
    KINDS,
    documented,
    kind_of,
    problem,
    response_to,
)

PAGE = Path(__file__).parents[2] / "docs" / "problems.md"
ROWS = re.findall(r"^\| `([a-z_]+)` \| ([0-9]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
INTERNAL = {"merge_conflict", "repeated"}
"""Codes of errors with which no request is refused."""


def test_every_code_stands_on_the_page_with_its_status():
    assert dict(ROWS) == {code: str(kind.status) for code, kind in KINDS.items()}


def test_every_error_of_the_engine_has_a_status():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TipmanError)
    ]

    assert {kind.code for kind in kinds} - KINDS.keys() == INTERNAL


def test_an_error_that_is_not_known_goes_as_its_base_does():
    class OddError(InvalidError):
        code = "odd"

    assert kind_of(OddError("odd"))[1].status == 422


def test_a_problem_has_the_members_of_rfc_9457():
    made = json.loads(problem("invalid", "no", [Fault("/a", "no")]))

    assert made == {
        "type": "urn:tipman:problem:invalid",
        "title": "The request can not be accepted",
        "status": 422,
        "code": "invalid",
        "detail": "no",
        "errors": [{"pointer": "/a", "detail": "no"}],
    }


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 100_000, "a\nb", "\u2028", "💩"])
def test_whatever_a_client_sent_can_be_said_back(text):
    made = json.loads(problem("invalid", text, [Fault(f"/{text}", text)]))

    assert 0 < len(made["detail"]) <= DETAIL_CHARACTERS_MAX
    assert len(made["errors"][0]["pointer"]) <= DETAIL_CHARACTERS_MAX


def test_the_faults_of_one_answer_are_bounded():
    faults = tuple(Fault(f"/{number}", "no") for number in range(ERRORS_MAX * 3))

    assert len(json.loads(response_to(InvalidError("no", faults)).body)["errors"]) == ERRORS_MAX


def test_who_comes_while_the_engine_stops_is_told_to_come_again():
    response = response_to(errors.UnavailableError("the engine is stopping"))

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_codes_of_one_status_are_documented_together():
    responses = documented(["malformed", "bad_path", "invalid"])

    assert set(responses) == {400, 422}
    assert "`malformed`" in responses[400]["description"]
    assert "`bad_path`" in responses[400]["description"]
