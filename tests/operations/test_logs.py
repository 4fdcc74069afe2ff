"""What the program says of itself: its shape, its levels, and what it never says."""

import io
import json
import logging

import pytest
from tipman.settings import LogFormat, LogLevel, Settings
from tipman_api import logs

FOREIGN = "somebody.else"


def fail(words, logger):
    try:
        _fail(words)
    except ValueError:
        logging.getLogger(logger).exception("it failed")


def _fail(words):
    raise ValueError(words)


@pytest.fixture
def written():
    """Return what starts logging with these settings, and gives what was written so far."""
    names = (None, FOREIGN, *logs.OURS, *logs.SERVERS)
    loggers = [logging.getLogger(name) for name in names]
    before = [(x, x.level, [*x.handlers], x.propagate) for x in loggers]

    def start(**settings):
        stream = io.StringIO()
        logs.configure(Settings(**settings), stream)
        return lambda: stream.getvalue().splitlines()

    yield start
    logging.captureWarnings(False)
    for logger, level, handlers, propagates in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagates


def test_a_line_is_one_json_object(written):
    lines = written(log_format=LogFormat.JSON)

    logging.getLogger("tipman.bus").info(
        "what\n%s", "happened", extra={"task": "0192", "attempt": 2}
    )

    [line] = lines()
    said = json.loads(line)
    assert said.pop("at").endswith("Z")
    assert said == {
        "level": "info", "logger": "tipman.bus", "message": "what\nhappened", "task": "0192",
        "attempt": 2,
    }  # fmt: skip


def test_a_traceback_stays_within_its_object(written):
    lines = written(log_format=LogFormat.JSON)

    fail("boom\nand more", "tipman_api")

    [line] = lines()
    assert "ValueError: boom" in json.loads(line)["traceback"]


@pytest.mark.parametrize("format_", LogFormat)
def test_nothing_that_was_sent_begins_a_line_of_its_own(written, format_):
    lines = written(log_format=format_)

    logging.getLogger("tipman_api").warning(
        "no such path: %s", "/x\r\n2026 error tipman: \x1b[31m\u2028"
    )

    assert len(lines()) == 1
    assert "\x1b" not in lines()[0]


@pytest.mark.parametrize("format_", LogFormat)
@pytest.mark.parametrize(
    "said",
    [
        "GET /api/v1/tasks?token=s3cret HTTP/1.1",
        "GET /api/v1/tasks?a=1&access_token=s3cret&b=2",
        "Authorization: Bearer s3cret",
        "{'authorization': 'bearer s3cret'}",
        "Cookie: tipman_session=s3cret",
        "TIPMAN_TOKEN=s3cret",
        '{"token": "s3cret"}',
        "open http://127.0.0.1:8000/#token=s3cret",
    ],
)
def test_a_token_never_gets_into_a_line(written, format_, said):
    lines = written(log_format=format_)

    logging.getLogger("uvicorn.access").warning("%s", said)
    fail(said, "tipman")

    assert lines()
    assert not [line for line in lines() if "s3cret" in line]


def test_the_level_holds_for_us_and_for_the_server_and_others_only_warn(written):
    lines = written(log_level=LogLevel.DEBUG)

    for name in ("tipman.core", "uvicorn.error", FOREIGN):
        logging.getLogger(name).debug("of no weight")
        logging.getLogger(name).warning("of weight")

    of_no_weight = [line for line in lines() if "of no weight" in line]
    assert len(of_no_weight) == 2
    assert not [line for line in of_no_weight if FOREIGN in line]
    assert [line for line in lines() if FOREIGN in line and "of weight" in line]


def test_a_second_configuration_replaces_the_first(written):
    first = written()
    second = written(log_level=LogLevel.ERROR)

    logging.getLogger("tipman").error("once")
    logging.getLogger("tipman").warning("too little")

    assert first() == []
    assert len(second()) == 1


def test_half_a_character_does_not_break_a_line(written):
    lines = written(log_format=LogFormat.JSON)

    logging.getLogger("tipman").warning("%s", "\ud800")

    assert json.loads(lines()[0])["message"] == "\ud800"
