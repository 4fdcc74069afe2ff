"""Settings: where each comes from, and what is refused."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from tipman.errors import InvalidError
from tipman.settings import Durability, LogFormat, LogLevel, Settings, load
from tipman.spelling import nearest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "settings.md"


def refusals(**sources):
    with pytest.raises(InvalidError) as caught:
        load(**sources)
    return [fault.detail for fault in caught.value.faults]


def test_without_any_source_every_setting_has_its_default():
    assert load() == Settings()
    assert load().database_url == "sqlite:///.tipman/tipman.db"


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default():
    sources = {
        "flags": {"slots": 1, "lost_max": None},
        "environ": {"TIPMAN_SLOTS": "2", "TIPMAN_LOST_MAX": "2", "HOME": "/root"},
        "toml": "slots = 3\nlost_max = 3\nattempts_max = 3\n",
        "defaults": {"slots": 4, "lost_max": 4, "attempts_max": 4, "grace_s": 4},
    }

    settings = load(**sources)

    assert (settings.slots, settings.lost_max) == (1, 2)
    assert (settings.attempts_max, settings.grace_s) == (3, 4.0)


def test_every_kind_of_setting_is_read_from_text():
    environ = {
        "TIPMAN_HOME": "/srv/t",
        "TIPMAN_DATABASE": "postgresql://h/d",
        "TIPMAN_DURABILITY": "normal",
        "TIPMAN_QUEUES": "mail=4, reports=1",
        "TIPMAN_PYTHON": "python3.12",
        "TIPMAN_TIMEOUT_S": "1.5",
        "TIPMAN_LOG_LEVEL": "debug",
        "TIPMAN_LOG_FORMAT": "json",
        "TIPMAN_DEPTH_MAX": "32",
    }

    assert load(environ=environ) == Settings(
        home=Path("/srv/t"),
        database="postgresql://h/d",
        durability=Durability.NORMAL,
        queues={"mail": 4, "reports": 1},
        python="python3.12",
        timeout_s=1.5,
        log_level=LogLevel.DEBUG,
        log_format=LogFormat.JSON,
        depth_max=32,
    )


def test_the_file_has_a_table_for_queues():
    assert load(toml="[queues]\nmail = 2\n").queues == {"mail": 2}


def test_variables_of_clients_tasks_and_tests_are_no_settings():
    names = ("URL", "TOKEN", "TASK", "ATTEMPT", "EPOCH", "CONTEXT", "RESULT", "TEST_DATA")

    assert load(environ={f"TIPMAN_{name}": "x" for name in names}) == Settings()


def test_a_task_of_a_schedule_or_a_hook_may_call_tipman():
    sources = [path.read_text("utf-8") for path in (ROOT / "engine").rglob("*.py")]
    found = {name for source in sources for name in re.findall(r'"(TIPMAN_[A-Z_]+)"', source)}

    assert {"TIPMAN_DUE_AT", "TIPMAN_RUN", "TIPMAN_RUN_STATE"} <= found
    assert load(environ=dict.fromkeys(found, "x")) == Settings()
    assert found <= set(re.findall(r"`([A-Z_]+)`", DOCUMENT.read_text("utf-8")))


@pytest.mark.parametrize(
    ("sources", "detail"),
    [
        ({"toml": "slot = 4"}, "`slot` is no setting; did you mean `slots`?"),
        (
            {"environ": {"TIPMAN_TIMOUT_S": "4"}},
            "`TIPMAN_TIMOUT_S` is no setting; did you mean `TIPMAN_TIMEOUT_S`?",
        ),
        ({"flags": {"graces": 1}}, "`--graces` is no setting; did you mean `--grace-s`?"),
        ({"toml": "depth = 4"}, "`depth` is no setting; did you mean `depth_max`?"),
        ({"toml": "colour = 4"}, "`colour` is no setting"),
        ({"toml": "lease_s = 30"}, "`lease_s` comes with PostgreSQL workers"),
        ({"toml": "slots = '4'"}, "`slots` must be a whole number of at least 1, not '4'"),
        ({"toml": "slots = true"}, "`slots` must be a whole number of at least 1, not True"),
        ({"toml": "slots = 0"}, "`slots` must be a whole number of at least 1, not 0"),
        (
            {"environ": {"TIPMAN_SLOTS": "many"}},
            "`TIPMAN_SLOTS` must be a whole number of at least 1, not 'many'",
        ),
        (
            {"environ": {"TIPMAN_TYPES_OFF": "exec,foo"}},
            (
                "`TIPMAN_TYPES_OFF` must be task types out of exec, eval, python, such as "
                "`exec,eval`, not 'exec,foo'"
            ),
        ),
        (
            {"toml": "timeout_s = inf"},
            "`timeout_s` must be a number above 0 and at most 3,153,600,000, not inf",
        ),
        (
            {"toml": "grace_s = -1"},
            "`grace_s` must be a number of at least 0 and at most 3,153,600,000, not -1",
        ),
        (
            {"toml": "drain_s = 1e10"},
            (
                "`drain_s` must be a number of at least 0 and at most 3,153,600,000, "
                "not 10000000000.0"
            ),
        ),
        (
            {"toml": "durability = 'off'"},
            "`durability` must be one of full, normal, not 'off'",
        ),
        ({"toml": "home = ''"}, "`home` must be a path that is not empty, not ''"),
        ({"toml": "database = 3"}, "`database` must be a text that is not empty, not 3"),
        (
            {"environ": {"TIPMAN_QUEUES": "mail"}},
            (
                "`TIPMAN_QUEUES` must be queue names with their slots, such as "
                "`mail=4,reports=1`, not 'mail'"
            ),
        ),
        (
            {"toml": "depth_max = 501"},
            "`depth_max` must be a whole number of at least 1 and at most 500, not 501",
        ),
    ],
)
def test_what_is_no_setting_or_no_value_of_it_is_refused(sources, detail):
    assert refusals(**sources) == [detail]


def test_every_fault_of_every_source_is_named_at_once():
    details = refusals(
        flags={"slots": "x"}, environ={"TIPMAN_SLOTZ": "1"}, toml="lost_max = 0\npythn = 'x'"
    )

    assert [detail.partition(" ")[0] for detail in details] == [
        "`lost_max`",
        "`pythn`",
        "`TIPMAN_SLOTZ`",
        "`--slots`",
    ]


def test_a_broken_file_is_refused_with_its_line_and_column():
    assert refusals(toml="a = \n")[0].endswith("(at line 1, column 5)")


def test_every_setting_and_limit_stands_in_the_documentation():
    rows = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))

    assert rows == {setting.name for setting in fields(Settings)}


def test_the_file_in_the_documentation_is_one():
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)

    assert load(toml=example).depth_max == 32


def test_of_very_many_names_a_near_one_is_still_found_quickly():
    names = [f"task-{n}" for n in range(100_000)]

    assert nearest("task-90x", names) in names
