"""`@task`: what it takes, what it makes, and what it refuses."""

import textwrap
import threading
from typing import ClassVar

import pytest
from tipman.errors import InvalidError
from tipman.executors.functions import Home, Registry


@pytest.fixture
def tasks():
    return Registry()


def test_a_task_is_still_called_as_the_plain_function(tasks):
    @tasks.task
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add(2, b=3) == 5
    assert add.__doc__ == "Add."
    assert add.__name__ == "add"
    assert tasks.get("add") is add


def test_a_task_class_is_still_made_as_the_plain_class(tasks):
    @tasks.task
    class Counter:
        value: int = 0

        def run(self, by: int = 1) -> int:
            self.value += by
            return self.value

    counter = Counter()
    counter.run(by=2)

    assert counter.value == 2
    assert Counter.fields.names == ("value",)


def test_options_of_the_decorator_are_defaults_of_every_instance(tasks):
    @tasks.task(retry={"attempts_max": 3}, queue="mail", name="post")
    def send(to: str): ...

    assert send.name == "post"
    assert send.defaults == {"retry": {"attempts_max": 3}, "queue": "mail"}


def test_options_of_one_instance_leave_the_task_as_it_is(tasks):
    @tasks.task(priority=1, queue="mail")
    def send(to: str): ...

    call = send.options(key="nightly", priority=5)

    assert call.task is send
    assert call.options == {"key": "nightly", "priority": 5, "queue": "mail"}
    assert send.defaults == {"priority": 1, "queue": "mail"}


def test_an_unknown_option_is_refused_with_the_nearest(tasks):
    @tasks.task
    def send(to: str): ...

    with pytest.raises(InvalidError, match="unknown option 'prioritty'; did you mean `priority`"):
        send.options(prioritty=5)
    with pytest.raises(InvalidError, match="unknown option 'retrys'; did you mean `retry`"):
        tasks.task(retrys={})


def test_arguments_are_checked_against_the_signature(tasks):
    @tasks.task
    def fetch(url: str, *, timeout: int = 3): ...

    fetch.check({"url": "x"})
    fetch.check({"url": "x", "timeout": 1})
    with pytest.raises(InvalidError) as unknown:
        fetch.check({"urll": "x", "timeout": 1})

    assert [fault.pointer for fault in unknown.value.faults] == ["/args/urll", "/args/url"]
    assert "unknown parameter 'urll'; did you mean `url`?" in str(unknown.value)
    assert "missing parameter 'url'" in str(unknown.value)


def test_keyword_catchers_and_in_and_out_take_any_argument(tasks):
    @tasks.task
    def collect(first, **rest): ...

    @tasks.task
    def transform(_in, out): ...

    collect.check({"first": 1, "second": 2})
    transform.check({"anything": 1})
    with pytest.raises(InvalidError, match="missing parameter 'first'"):
        collect.check({"second": 2})


def test_a_name_belongs_to_one_function(tasks):
    def other(): ...

    @tasks.task
    def report(): ...

    with pytest.raises(InvalidError, match=r"'report' belongs to .*report already"):
        tasks.task(name="report")(other)


def test_a_module_may_be_imported_again(tasks):
    source = "def report(): return 1\n"
    first, second = {"__name__": "reports"}, {"__name__": "reports"}
    exec(source, first)  # noqa: S102 - this is what an import does
    exec(source, second)  # noqa: S102 - and again

    tasks.task(first["report"])
    again = tasks.task(second["report"])

    assert tasks.get("report") is again


def test_two_closures_of_one_place_are_two_functions(tasks):
    def make(day):
        def report():
            return day

        return report

    tasks.task(make("monday"))

    with pytest.raises(InvalidError, match=r"give .* another"):
        tasks.task(make("tuesday"))


def test_an_unregistered_name_is_answered_with_the_nearest(tasks):
    @tasks.task
    def fetch(): ...

    with pytest.raises(
        InvalidError, match=r"no task 'fetsh' is registered .* did you mean `fetch`"
    ):
        tasks.get("fetsh")


def test_where_a_function_runs_follows_from_what_it_is(tasks):
    def thread(): ...

    async def loop(): ...

    assert tasks.task(thread).home is Home.THREAD
    assert tasks.task(loop).home is Home.LOOP
    assert tasks.task(process=True)(textwrap.dedent).home is Home.PROCESS
    assert tasks.get("dedent").address == "textwrap:dedent.target"


def _positional(day, /): ...


def _days():
    yield 1


async def _coroutine(): ...


class _NeedsArguments:
    def __init__(self, day):
        self.day = day

    def run(self): ...


class _KeepsALock:
    lock = threading.Lock()

    def run(self): ...


@pytest.mark.parametrize(
    ("thing", "options", "words"),
    [
        (lambda: 1, {}, "'<lambda>' can not be the name"),
        (5, {}, "not for 5"),
        (_positional, {}, "'day' takes none"),
        (_days, {}, "is a generator"),
        (_coroutine, {"process": True}, "for `def`, not for `async def`"),
        (lambda: 1, {"process": True, "name": "one"}, "move it to a module"),
        (type("Empty", (), {}), {}, "has no method run"),
        (_NeedsArguments, {}, "makeable without arguments"),
        (_KeepsALock, {}, "field 'lock' .* a field must be JSON"),
    ],
)
def test_what_can_not_be_a_task_is_refused(tasks, thing, options, words):
    with pytest.raises(InvalidError, match=words):
        tasks.task(**options)(thing)


def test_fields_are_public_and_annotated_or_plain(tasks):
    class Base:
        inherited = 1

    @tasks.task
    class Memory(Base):
        unset: int
        shared: ClassVar[int] = 1
        seen: list = []  # noqa: RUF012 - what users write
        _hidden = 1

        def run(self): ...

        @property
        def size(self):
            return len(self.seen)

    assert set(Memory.fields.names) == {"inherited", "unset", "seen"}


def test_a_list_that_stands_in_the_class_is_not_shared_between_instances(tasks):
    @tasks.task
    class Memory:
        seen: list = []  # noqa: RUF012 - what users write

        def run(self): ...

    first, second = Memory.fields.fresh(None), Memory.fields.fresh(None)
    first.seen.append(1)

    assert second.seen == []
    assert Memory.fields.dump(first) == '{"seen":[1]}'


def test_kept_fields_win_over_what_the_class_sets_and_dropped_ones_are_left_out(tasks):
    @tasks.task
    class Memory:
        value: int = 0

        def __init__(self):
            self.value = 5

        def run(self): ...

    assert Memory.fields.fresh(None).value == 5
    kept = Memory.fields.fresh('{"value": 7, "gone": 1}')
    assert kept.value == 7
    assert not hasattr(kept, "gone")
