"""Schedules from the command line, against a real server."""

import io
import json
import os
import re
import signal
import sys

import pytest
from cli.program import Program
from tipman.clock import ManualClock, SystemClock
from tipman.runtime import Engine
from tipman_api.cli import exit_code_of_command

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return Program(tmp_path_factory.mktemp("schedules"))


@pytest.fixture(scope="module")
def server(program):
    """A server on the home `.tipman` of the program's folder."""
    with program.start("serve", "--port", "0") as running:
        running.until("Tipman serves http://")
        yield running
        running.signal(signal.SIGINT)
        assert running.wait() == 0


@pytest.fixture
def call(program, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    monkeypatch.chdir(program.folder)
    for name in [name for name in os.environ if name.startswith("TIPMAN_")]:
        monkeypatch.delenv(name)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


@pytest.fixture
def added(call, server):
    """Add a schedule that is never due while a test runs; return it."""

    assert server.process.poll() is None

    def add(*arguments):
        when = () if {"--cron", "--every", "--at"} & {*arguments} else ("--every", "1000000")
        code, out, err = call("schedule", "add", "wait", *when, *arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return add


def lines_of(out):
    return [json.loads(line) for line in out.splitlines()]


# Without a server.


def test_a_preview_needs_no_server(call):
    code, out, err = call(
        "schedule", "preview", "--cron", "30 2 * 3,10 sunL", "--timezone", "Europe/Prague",
        "--starts-at", "2027-01-01T00:00:00Z", "--limit", "2",
    )  # fmt: skip

    assert (code, err) == (0, "")
    assert out == (
        "2027-03-28T01:00:00.000000Z\t2027-03-28T03:00:00+02:00\tgap\t-\n"
        "2027-10-31T00:30:00.000000Z\t2027-10-31T02:30:00+02:00\tfold\t-\n"
    )


def test_a_preview_leaves_out_what_is_excluded_and_stops_at_the_end(call):
    code, out, _ = call(
        "schedule", "preview", "--cron", "0 0 * * *", "--starts-at", "2027-01-01T00:00:00Z",
        "--ends-at", "2027-01-04T00:00:00Z", "--exclude", "2027-01-02", "--json",
    )  # fmt: skip

    assert code == 0
    assert [line["local"][:10] for line in lines_of(out)] == ["2027-01-01", "2027-01-03"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--cron", "61 * * * *"), "minute `61` at character 1"),
        (("--cron", "0 0 31 2 *"), "can never hold"),
        (("--every", "0"), "every_s"),
        (("--at", "2020-01-01"), "with its zone"),
        (("--cron", "@daily", "--timezone", "Prague"), "did you mean `Europe/Prague`?"),
        ((), "needs one of `cron`"),
    ],
)
def test_a_preview_of_what_can_not_be_says_why(call, arguments, words):
    code, out, err = call("schedule", "preview", *arguments)

    assert (code, out) == (2, "")
    assert words in err


def test_where_no_server_runs_it_is_said_what_a_start_now_would_catch_up(call, tmp_path):
    clock = ManualClock(SystemClock().wall_us() - 600 * 1_000_000)
    url = f"sqlite:///{tmp_path / 'rest.db'}"
    with Engine(url, clock=clock, home=tmp_path) as engine:
        engine.create_schedule({"key": "minute", "every_s": 60, "task": {"type": "wait"}})

    code, out, err = call(
        "schedule", "preview", "minute", "--database", url, "--limit", "2", "--home", tmp_path
    )

    assert code == 0
    assert [line.split("\t")[3] for line in out.splitlines()] == ["restart", "-", "-"]
    assert re.fullmatch(r"tipman: a restart now would catch up 1 of (9|10) instants\n", err)


CRONTAB = """\
SHELL=/bin/bash
MAILTO=ada@localhost
HOME=/srv
17 3 * * * ./backup --all%yes
@reboot ./start
*/5 * * * * ./poll
"""


def test_a_dry_run_of_an_import_prints_what_would_be_added(call, program):
    (program.folder / "jobs").write_text(CRONTAB)

    code, out, err = call("schedule", "import", "jobs", "--timezone", "UTC", "--dry-run")

    assert code == 0
    assert out == (
        "cron-backup\t17 3 * * *\tUTC\t./backup --all\ncron-poll\t*/5 * * * *\tUTC\t./poll\n"
    )
    assert [line.split(" ")[1] for line in err.splitlines()] == ["jobs:2:", "jobs:5:"]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("61 * * * * x", "jobs:2:1: cron: minute `61`"),
        ("  0 0 31 2 * x", "jobs:2:3: cron: day of month `31`"),
        ("0 0 * * *", "jobs:2:10: needs five fields"),
        ("CRON_TZ=Mars\n@daily x", "jobs:3:1: timezone: unknown time zone"),
    ],
)
def test_an_import_names_every_fault_and_adds_nothing(call, program, line, place):
    (program.folder / "jobs").write_text(f"0 0 * * * fine\n{line}\n")

    code, out, err = call("schedule", "import", "jobs", "--timezone", "UTC")

    assert (code, out) == (2, "")
    assert err.startswith(place)


def test_entries_of_other_users_are_left_out_unless_they_are_asked_for(call, program):
    text = "1 * * * * nobody a\n2 * * * * daemon b\n"
    (program.folder / "jobs").write_text(text)
    arguments = ("schedule", "import", "jobs", "--system", "--dry-run", "--timezone", "UTC")

    code, out, err = call(*arguments, "--user", "daemon")

    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (0, ["cron-b"])
    assert "jobs:1: left out: of the user `nobody`" in err
    assert call("schedule", "import", "/etc/crontab", "--dry-run")[0] == 2
    assert call("schedule", "import", "jobs", "--user", "x", "--dry-run")[0] == 2


def test_a_crontab_that_can_not_be_read_is_refused(call, program):
    (program.folder / "bytes").write_bytes(b"\xff")

    assert call("schedule", "import", "missing", "--timezone", "UTC")[0] == 2
    assert "not UTF-8" in call("schedule", "import", "bytes", "--timezone", "UTC")[2]


# With a server.


def test_a_schedule_is_added_from_its_options(call, added):
    made = added(
        "{}", "--cron", "0 2 * * *", "--timezone", "Europe/Prague", "--key", "nightly",
        "--name", "night work", "--overlap", "queue_all", "--queue-max", "5", "--catch-up", "all",
        "--catch-up-window", "60", "--catch-up-max", "7", "--starts-at", "2027-01-01T00:00:00Z",
        "--ends-at", "2028-01-01T00:00:00Z", "--exclude", "2027-12-24", "--runs-max", "9",
        "--jitter-s", "30", "--pause-after-failures", "3", "--paused",
        "--queue", "slow", "--priority", "7", "--timeout", "5", "--env", "DAY=today",
        "--attempts-max", "3", "--backoff", "linear", "--delay", "2", "--on-lost", "fail",
    )  # fmt: skip

    shown = json.loads(call("schedule", "show", "nightly", "--json")[1])
    assert shown == made
    assert (shown["cron"], shown["timezone"], shown["state"]) == (
        "0 2 * * *",
        "Europe/Prague",
        "paused",
    )
    assert shown["catch_up"] == {"policy": "all", "window_s": 60, "max": 7}
    assert (shown["overlap"], shown["queue_max"], shown["runs_max"]) == ("queue_all", 5, 9)
    assert (shown["exclude"], shown["jitter_s"]) == (["2027-12-24"], 30)
    assert shown["task"]["retry"] == {"attempts_max": 3, "backoff": "linear", "delay_s": 2}
    assert (shown["task"]["queue"], shown["task"]["env"]) == ("slow", {"DAY": "today"})


@pytest.mark.usefixtures("server")
def test_adding_prints_the_uuid(call):
    code, out, err = call("schedule", "add", "exec", "true", "--every", "1000000")

    assert (code, err) == (0, "")
    assert re.fullmatch(UUID + "\n", out)


@pytest.mark.usefixtures("server")
def test_what_is_wrong_is_said_and_nothing_is_added(call):
    code, out, err = call("schedule", "add", "exec", "true", "--cron", "61 * * * *")

    assert (code, out) == (2, "")
    assert "`61` at character 1 of `61 * * * *`" in err
    assert call("schedule", "add", "--every", "5")[0] == 2
    assert call("schedule", "add", "exec", "true", "--file", "x.yaml", "--every", "5")[0] == 2


def test_the_schedules_of_a_file_are_added_all_or_none(call, added, program):
    tick = {"every_s": 1_000_000, "task": {"type": "wait"}}
    file = program.folder / "many.json"
    file.write_text(json.dumps([{**tick, "key": "one"}, {**tick, "key": "two"}]))
    added("--key", "two")

    refused = call("schedule", "add", "--file", "many.json")

    assert refused[0] == 5
    assert "two: the key 'two' belongs to" in refused[2]
    assert call("schedule", "show", "one")[0] == 3
    call("schedule", "delete", "two")
    code, out, _ = call("schedule", "add", "--file", "many.json", "--paused")
    assert (code, len(out.splitlines())) == (0, 2)
    assert json.loads(call("schedule", "show", "one", "--json")[1])["state"] == "paused"


def test_the_list_says_when_and_what_is_an_orphan(call, added):
    added("--key", "hourly", "--every", "3600")
    code, out, _ = call(
        "schedule", "add", "inline", '{"task": "gone"}', "--key", "lost", "--cron", "@daily"
    )
    assert code == 0, out

    out = call("schedule", "list")[1]

    rows = {row[1]: row for row in (line.split("\t") for line in out.splitlines())}
    assert rows["hourly"][3:7] == ["every 3600 s", "UTC", "active", "-"]
    assert rows["lost"][3:7] == ["@daily", "UTC", "active", "orphan"]


def test_a_schedule_is_paused_resumed_triggered_and_deleted(call, added):
    made = added("--key", "busy")

    assert call("schedule", "pause", "busy")[1] == f"{made['id']}\tpaused\n"
    assert call("schedule", "pause", "busy")[0] == 5
    assert call("schedule", "trigger", "busy")[1] == f"{made['id']}\tpaused\n"
    assert call("resume", "busy", "--kind", "schedule")[1] == f"{made['id']}\tactive\n"
    (slot,) = lines_of(call("schedule", "slots", "busy", "--decision", "run", "--json")[1])
    assert slot["manual"]
    listed = lines_of(call("list", "--schedule", "busy", "--json")[1])
    assert [task["uri"] for task in listed] == [slot["instance"]]
    assert call("schedule", "delete", "busy") == (0, "", "")
    assert call("schedule", "show", "busy")[0] == 3
    assert call("schedule", "show", made["id"])[0] == 0


def test_an_update_changes_what_is_said(call, added):
    made = added("--key", "moved", "--ends-at", "2030-01-01T00:00:00Z", "--overlap", "allow")

    code, out, _ = call(
        "schedule", "update", "moved", "--cron", "0 3 * * *", "--unset", "ends_at", "--json"
    )
    call("schedule", "update", "moved", "exec", "make", "--timeout", "5")

    changed = json.loads(out)
    assert (code, changed["cron"], changed["every_s"]) == (0, "0 3 * * *", None)
    assert (changed["ends_at"], changed["overlap"]) == (None, "allow")
    assert changed["revision"] == made["revision"] + 1
    shown = json.loads(call("schedule", "show", "moved", "--json")[1])
    assert shown["task"] == {"type": "exec", "arguments": "make", "timeout_s": 5}
    assert call("schedule", "update", "moved")[0] == 2
    assert call("schedule", "update", "moved", "--timeout", "5")[0] == 2
    assert call("schedule", "update", "gone", "--every", "5")[0] == 3


def test_an_update_of_a_window_leaves_the_policy_and_the_other_way_round(call, added):
    added("--key", "kept", "--catch-up", "all", "--catch-up-max", "3", "--catch-up-window", "60")

    call("schedule", "update", "kept", "--catch-up-window", "5")
    widened = json.loads(call("schedule", "show", "kept", "--json")[1])["catch_up"]
    call("schedule", "update", "kept", "--catch-up", "earliest")

    assert widened == {"policy": "all", "window_s": 5, "max": 3}
    shown = json.loads(call("schedule", "show", "kept", "--json")[1])
    assert shown["catch_up"] == {"policy": "earliest", "window_s": 5, "max": 100}


def test_a_trigger_that_overlap_skips_says_so(call, added):
    made = added("--key", "twice")
    call("schedule", "update", "twice", "wait")
    assert call("schedule", "trigger", "twice") == (0, f"{made['id']}\tactive\n", "")

    code, out, err = call("schedule", "trigger", "twice")

    (first,) = lines_of(call("schedule", "slots", "twice", "--decision", "run", "--json")[1])
    assert (code, out) == (0, f"{made['id']}\tactive\n")
    assert err == f"tipman: twice: nothing was submitted: overlap with {first['instance']}\n"


def test_a_limit_goes_with_the_policy_that_it_belongs_to(call, added):
    added("--key", "short", "--overlap", "queue_all", "--queue-max", "2")

    code, _, err = call("schedule", "update", "short", "--overlap", "skip")

    assert (code, err) == (0, "")
    shown = json.loads(call("schedule", "show", "short", "--json")[1])
    assert (shown["overlap"], shown["queue_max"]) == ("skip", 100)
    assert call("schedule", "update", "short", "--overlap", "skip", "--queue-max", "2")[0] == 2


def test_a_preview_of_a_schedule_is_what_the_server_says(call, added):
    added("--key", "soon", "--cron", "0 2 * * *", "--timezone", "Asia/Tokyo")

    code, out, _ = call("schedule", "preview", "soon", "--limit", "2")

    assert code == 0
    for line in out.splitlines():
        due, local, *marks = line.split("\t")
        assert (due[10:], local[10:]) == ("T17:00:00.000000Z", "T02:00:00+09:00")
        assert marks == ["-", "-"]
    assert call("schedule", "preview", "soon", "--cron", "@daily")[0] == 2


def test_the_past_is_run_after_all(call, added):
    added("--key", "late", "--cron", "0 0 * * *")
    between = ("--since", "2026-11-01T00:00:00Z", "--until", "2026-11-03T00:00:00Z")

    dry = call("schedule", "backfill", "late", *between, "--dry-run", "--order", "backwards")
    done = call("schedule", "backfill", "late", *between, "--what", "all", "--concurrency", "2")

    assert [line.split("\t")[0][:10] for line in dry[1].splitlines()] == [
        "2026-11-02",
        "2026-11-01",
    ]
    assert all(re.fullmatch(rf".*\t/api/v1/tasks/{UUID}", line) for line in done[1].splitlines())
    assert len(lines_of(call("schedule", "slots", "late", "--json")[1])) == 2


def test_what_holds_for_every_instance_holds_for_schedules(call, added):
    made = added("--key", "anything")

    assert json.loads(call("show", "anything", "--json")[1]) == made
    assert json.loads(call("show", made["id"], "--json")[1]) == made
    assert json.loads(call("show", made["uri"], "--json")[1]) == made
    assert call("explain", "anything")[1].startswith("active\ntimer\t")
    assert call("events", "anything")[1].split("\t")[4] == "schedule.created"
    assert call("send", "anything", "pause.requested")[1] == f"{made['id']}\tpaused\n"
    call("submit", "wait", "{}", "--key", "anything")
    code, _, err = call("show", "anything")
    assert code == 2
    assert "--kind task or --kind schedule" in err
    assert call("show", "anything", "--kind", "schedule")[0] == 0


@pytest.mark.usefixtures("server")
def test_a_crontab_is_imported_and_imported_once(call, program, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CRONTAB.encode())))

    code, out, err = call("schedule", "import", "-", "--timezone", "UTC", "--paused", "--json")

    assert (code, [made["key"] for made in lines_of(out)]) == (0, ["cron-backup", "cron-poll"])
    assert "-:5: left out: `@reboot`" in err
    backup = json.loads(call("schedule", "show", "cron-backup", "--json")[1])
    assert (backup["state"], backup["overlap"]) == ("paused", "allow")
    assert backup["task"]["arguments"]["stdin"] == "yes\n"
    (program.folder / "again").write_text("0 0 * * * new\n1 0 * * * poll\n")
    refused = call("schedule", "import", "again", "--timezone", "UTC")
    assert refused[0] == 5
    assert "cron-poll" in refused[2]
    assert call("schedule", "show", "cron-new")[0] == 3
