"""`{expressions}` in arguments: where they are looked for, and what they become."""

import pytest
from tipman.definitions import fill, task_from_row, task_of
from tipman.definitions.expressions import put
from tipman.errors import InvalidError
from tipman.jsontext import dumps

NAMES = {"results": {"build": {"exit_code": 3}}, "context": {"id": 7, "text": "a b", "seconds": 2}}


def task(type_, arguments):
    return task_of({"type": type_, "arguments": arguments})


def filled(type_, arguments, names=NAMES):
    made = task(type_, arguments)
    assert made.has_expressions
    return fill(made, names)


@pytest.mark.parametrize(
    ("arguments", "meaning"),
    [
        ("{context.id}", 7),
        ("{context}", {"id": 7, "text": "a b", "seconds": 2}),
        ("n {context.id} of {results.build.exit_code + 1}", "n 7 of 4"),
        ("{context.text}!", "a b!"),
        ("<{results.build}>", '<{"exit_code":3}>'),
        ("{{context.id}}", "{context.id}"),
        ("{{{context.id}}}", "{7}"),
        ("{'}' + context.text}", "}a b"),
        ("{ {'a': context.id}['a'] }", 7),
        ("{context['id']}", 7),
    ],
)
def test_expressions_are_computed_and_written_in(arguments, meaning):
    assert filled("inline", {"task": "x", "args": {"a": [arguments]}})["args"] == {"a": [meaning]}


def test_where_a_text_is_wanted_a_value_is_written_as_one():
    assert filled("exec", {"argv": ["echo", "{context.id}"], "cwd": "{context.id}"}) == {
        "argv": ["echo", "7"],
        "cwd": "7",
    }


def test_where_a_number_is_wanted_an_expression_may_give_it():
    assert filled("sleep", {"duration_s": "{context.seconds}"}) == {"duration_s": 2}


@pytest.mark.parametrize(
    ("type_", "arguments"),
    [
        ("exec", "echo ${HOME} {a"),
        ("exec", {"shell": "awk '{print $1}'"}),
        ("eval", "result = {'a': 1}"),
    ],
)
def test_shell_lines_and_code_keep_their_braces(type_, arguments):
    assert not task(type_, arguments).has_expressions


def test_only_the_other_texts_beside_a_shell_line_are_filled():
    arguments = {"shell": "echo ${A}", "env": {"A": "{context.id}"}}

    assert filled("exec", arguments) == {"shell": "echo ${A}", "env": {"A": "7"}}


@pytest.mark.parametrize(
    ("arguments", "names", "detail"),
    [
        ({"duration_s": "{context.none}"}, NAMES, "'none'"),
        ({"duration_s": "{other}"}, NAMES, "'other'"),
        ({"duration_s": "{context.text}"}, NAMES, "must be a number, not a text"),
        ({"duration_s": "{0 - context.seconds}"}, NAMES, "must be at least 0"),
    ],
)
def test_what_can_not_be_filled_in_is_refused_with_its_pointer(arguments, names, detail):
    with pytest.raises(InvalidError) as caught:
        filled("sleep", arguments, names)

    (fault,) = caught.value.faults
    assert fault.pointer == "/arguments/duration_s"
    assert detail in fault.detail


def test_a_value_that_has_no_place_for_expressions_is_not_changed():
    arguments = {"task": "x", "args": {"a": ["{context.id}", {"b": 1}]}}
    made = task("inline", arguments)

    assert fill(made, NAMES) == {"task": "x", "args": {"a": [7, {"b": 1}]}}
    assert arguments["args"] == {"a": ["{context.id}", {"b": 1}]}


def test_a_task_from_its_row_still_has_its_expressions():
    made = task("sleep", {"duration_s": "{context.seconds}"})

    again = task_from_row(
        made.type, dumps(made.arguments), made.options, made.name, made.key, made.namespace
    )

    assert again.has_expressions
    assert fill(again, NAMES) == {"duration_s": 2}


class Counted(list):
    """A list that counts how often somebody went through it."""

    looks = 0

    def __iter__(self):
        self.looks += 1
        return super().__iter__()


def test_a_long_list_is_copied_once_for_all_that_changes_in_it():
    given = Counted(range(1_000))

    changed = put({"body": given}, {("body", at): -at for at in range(1_000)})

    assert changed == {"body": [-at for at in range(1_000)]}
    assert given.looks == 1
    assert given == [*range(1_000)]
