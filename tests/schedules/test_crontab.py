"""Crontabs are read as cron reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tipman.definitions.schedules import schedule_of
from tipman_api.crontab import Syntax, read_crontab, schedules_of


def read(text, syntax=Syntax.USER):
    return read_crontab(text, file="crontab", syntax=syntax)


def only(text, syntax=Syntax.USER):
    """The one entry of a crontab with nothing else to say of it."""
    crontab = read(text, syntax)
    assert (crontab.faults, crontab.notes) == ((), ())
    (entry,) = crontab.entries
    return entry


def schedules(text, syntax=Syntax.USER, **rest):
    entries = read(text, syntax).entries
    return [*schedules_of(entries, prefix="cron-", timezone="Europe/Prague", rest=rest)]


def test_comments_and_empty_lines_say_nothing():
    crontab = read("# m h dom\n\n   \t\n  # indented\n\r\n0 2 * * * make\n# last")

    assert [entry.line for entry in crontab.entries] == [6]
    assert (crontab.faults, crontab.notes) == ((), ())


def test_an_entry_is_its_five_fields_and_the_rest_of_the_line():
    entry = only("\t*/5  1-3,7 1 jan-MAR sun\techo  'two  blanks' # no comment ")

    assert entry.cron == "*/5 1-3,7 1 jan-MAR sun"
    assert entry.column == 2
    assert entry.command == "echo  'two  blanks' # no comment "
    assert entry.user is None


@pytest.mark.parametrize(
    ("word", "cron"),
    [
        ("@hourly", "@hourly"),
        ("@daily", "@daily"),
        ("@midnight", "@daily"),
        ("@weekly", "@weekly"),
        ("@monthly", "@monthly"),
        ("@yearly", "@yearly"),
        ("@annually", "@yearly"),
        ("@every_minute", "* * * * *"),
    ],
)
def test_words_stand_for_five_fields(word, cron):
    assert only(f"{word} make it").cron == cron
    assert only(f"{word} make it").command == "make it"


@pytest.mark.parametrize("days", ["7", "5-7", "0-7", "sun", "fri,7", "SAT", "1-5/2"])
def test_every_way_to_name_a_day_of_the_week_is_a_schedule(days):
    (schedule,) = schedules(f"0 0 * * {days} make")

    assert schedule_of(schedule)[0].cron == f"0 0 * * {days}"


def test_a_user_stands_before_the_command_of_a_system_crontab():
    entry = only("17 * * * *\troot    cd / && run-parts --report /etc/cron.hourly", Syntax.SYSTEM)
    alias = only("@daily www-data ./rotate", Syntax.SYSTEM)

    assert (entry.user, entry.command) == ("root", "cd / && run-parts --report /etc/cron.hourly")
    assert (alias.cron, alias.user, alias.command) == ("@daily", "www-data", "./rotate")


@pytest.mark.parametrize(
    ("command", "run", "stdin"),
    [
        ("date +\\%F", "date +%F", None),
        ("cat%one%two", "cat", "one\ntwo\n"),
        ("cat%one\\%two", "cat", "one%two\n"),
        ("cat%one%", "cat", "one\n"),
        ("cat%", "cat", ""),
        ("mail -s 5\\% x%Hello,%%you", "mail -s 5% x", "Hello,\n\nyou\n"),
        ("echo a\\b \\\\", "echo a\\b \\\\", None),
        ("printf \\\\%x", "printf \\\\", "x\n"),
    ],
)
def test_a_percent_sign_ends_the_command_and_starts_its_input(command, run, stdin):
    entry = only(f"0 0 * * * {command}")

    assert (entry.command, entry.stdin) == (run, stdin)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("DAY=today", "DAY", "today"),
        ("  DAY \t= today  ", "DAY", "today"),
        ("DAY = ' today '", "DAY", " today "),
        ('DAY="it\'s"', "DAY", "it's"),
        ("'A DAY'=x", "A DAY", "x"),
        ("DAY=a = b", "DAY", "a = b"),
        ("DAY=", "DAY", ""),
        ("DAY='open", "DAY", "'open"),
        ("PATH=/usr/bin:$HOME/bin", "PATH", "/usr/bin:$HOME/bin"),
    ],
)
def test_variables_are_read_with_or_without_quotes(line, name, value):
    assert only(f"{line}\n0 0 * * * make").environment == {name: value}


def test_a_variable_holds_for_the_lines_below_it():
    crontab = read("0 0 * * * a\nDAY=1\n0 0 * * * b\nDAY=2\nX=y\n0 0 * * * DAY=3 c")

    assert [dict(entry.environment) for entry in crontab.entries] == [
        {},
        {"DAY": "1"},
        {"DAY": "2", "X": "y"},
    ]
    assert crontab.entries[2].command == "DAY=3 c"


def test_what_cron_itself_is_told_by_variables_is_carried_over():
    entry = only(
        "SHELL=/bin/bash\nHOME=/srv\nCRON_TZ=Asia/Tokyo\nRANDOM_DELAY=3\nMAILTO=\n@daily make"
    )

    assert (entry.shell, entry.folder, entry.timezone) == ("/bin/bash", "/srv", "Asia/Tokyo")
    assert entry.jitter_s == 180
    assert entry.environment == {"SHELL": "/bin/bash", "HOME": "/srv"}


def test_what_can_not_be_carried_over_is_told_by_its_line():
    crontab = read(
        "MAILTO=ada\n@reboot start\n0~9 * * * * roll\nUSER=ada\nTIPMAN_HOME=x\nRANDOM_DELAY=soon\n"
        "0 0 * * * make"
    )

    assert [note.line for note in crontab.notes] == [1, 2, 3, 4, 5, 6]
    for note, word in zip(
        crontab.notes,
        ("MAILTO", "@reboot", "chance", "USER", "TIPMAN_HOME", "RANDOM_DELAY"),
        strict=True,
    ):
        assert word in note.detail
    assert [entry.command for entry in crontab.entries] == ["make"]


@pytest.mark.parametrize(
    ("line", "syntax", "place", "words"),
    [
        ("0 2 * *", Syntax.USER, (2, 8), "five fields"),
        ("0 2 * * *", Syntax.USER, (2, 10), "a command"),
        ("0 2 * * * root", Syntax.SYSTEM, (2, 15), "a user and a command"),
        ("  @dayly make", Syntax.USER, (2, 3), "`@daily`"),
        ("@daily", Syntax.USER, (2, 7), "a command"),
        ("make", Syntax.USER, (2, 5), "five fields"),
        ("-", Syntax.USER, (2, 2), "five fields"),
        ("- * * * * *", Syntax.USER, (2, 12), "a command"),
    ],
)
def test_a_line_that_is_no_entry_is_a_fault_with_its_place(line, syntax, place, words):
    (fault,) = read(f"# first\n{line}", syntax).faults

    assert (fault.line, fault.column) == place
    assert words in fault.detail


# Schedules.


def test_an_entry_is_said_again_as_a_schedule_that_does_what_cron_does():
    (schedule,) = schedules("DAY=today\n30 4 * * 1-5 /usr/bin/make report")

    assert schedule == {
        "key": "cron-make",
        "name": "/usr/bin/make report",
        "cron": "30 4 * * 1-5",
        "timezone": "Europe/Prague",
        "overlap": "allow",
        "catch_up": {"policy": "none"},
        "task": {
            "type": "exec",
            "arguments": "/usr/bin/make report",
            "timeout_s": None,
            "env": {"DAY": "today"},
        },
    }


def test_braces_of_a_crontab_are_braces():
    plain, bash = schedules("0 0 * * * awk '{print}'%{a}\nSHELL=/bin/bash\n0 0 * * * echo ${HOME}")

    assert plain["task"]["arguments"] == {"shell": "awk '{print}'", "stdin": "{{a}}\n"}
    assert bash["task"]["arguments"] == {"argv": ["/bin/bash", "-c", "echo ${{HOME}}"]}


def test_each_schedule_has_a_key_of_its_own():
    made = schedules(
        "@daily make a\n@daily A=1 /bin/make b\n@daily [ -x c ] && c\n@daily make d",
        overlap="skip",
    )

    assert [each["key"] for each in made] == [
        "cron-make",
        "cron-make-2",
        "cron-job",
        "cron-make-3",
    ]
    assert {each["overlap"] for each in made} == {"skip"}


def test_every_schedule_of_a_crontab_is_one():
    text = (
        "SHELL=/bin/bash\nHOME=/srv/{a}\n-*/15 * * * * x\n@hourly cat%a%b\n"
        f"0 0 1 */2 * echo {'long ' * 200}\u0007\n59 23 29 2 * printf '\\%s' \"$A\"\n"
    )

    made = schedules(text)

    assert len(made) == 4
    for each in made:
        schedule, task = schedule_of(each)
        assert schedule.key == each["key"]
        assert task.timeout_s is None


PIECES = ("* ", "0 ", "@daily", "@x", "-", "%", "\\", "A=1", "'", '"', "#", "\n", "\r", " ", "~")


@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30), st.sampled_from(Syntax)
)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_stands_there_each_line_is_one_thing_at_most(pieces, syntax):
    text = "".join(pieces)

    crontab = read(text, syntax)

    places = [each.line for each in (*crontab.entries, *crontab.notes, *crontab.faults)]
    assert len(places) == len(set(places))
    assert all(1 <= place <= text.count("\n") + 1 for place in places)
    assert all(len(each["name"]) <= 200 for each in schedules(text, syntax))
