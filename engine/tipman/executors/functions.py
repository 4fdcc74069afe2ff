"""Functions and classes that are tasks: `@task`, what it makes, and their registry by name."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from tipman.errors import Fault, InvalidError
from tipman.executors.fields import Fields
from tipman.spelling import hint

P = ParamSpec("P")
R = TypeVar("R")
Arguments = Mapping[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@-]{0,199}")
_IN_AND_OUT = ["_in", "out"]


class TaskOptions(TypedDict, total=False):
    """What `@task(…)` takes: what every instance gets unless it says otherwise, and how it runs.

    `name` is the name in the registry. With `process` it runs in a child process, which can be
    killed, and its module is imported there.
    """

    name: str
    process: bool
    queue: str
    priority: int
    timeout_s: float | None
    retry: Mapping[str, Any]
    env: Mapping[str, str]
    on_lost: str


class InstanceOptions(TypedDict, total=False):
    """What `.options(…)` takes: the fields of one instance, as in a workflow file or over REST.

    `dependencies` may be handles, too.
    """

    name: str
    key: str
    namespace: str
    dependencies: Sequence[Any]
    queue: str
    priority: int
    due_at: str | datetime
    after_s: float
    timeout_s: float | None
    retry: Mapping[str, Any]
    env: Mapping[str, str]
    on_lost: str
    when: str | Mapping[str, Any]


class Home(Enum):
    """Where a registered function runs."""

    THREAD = "thread"
    LOOP = "loop"
    PROCESS = "process"


class Signature:
    """The parameters of one task, for a check that costs less than a microsecond."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        parameters = _parameters(name, function)
        self._task = name
        self.takes_in_and_out = [p.name for p in parameters] == _IN_AND_OUT
        self._takes_any = self.takes_in_and_out or any(p.kind is p.VAR_KEYWORD for p in parameters)
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self._known = frozenset(p.name for p in named)
        self._required = frozenset(
            p.name for p in named if p.default is p.empty and not self.takes_in_and_out
        )

    def check(self, arguments: Arguments) -> None:
        """Refuse arguments that the function can not be called with.

        Raises:
            InvalidError: names every unknown and missing parameter, and the nearest known one.
        """
        given = arguments.keys()
        if given == self._known:
            return
        if given >= self._required and (self._takes_any or given <= self._known):
            return
        unknown = [] if self._takes_any else sorted(given - self._known)
        missing = sorted(self._required - given)
        free = self._known - given
        faults = (
            *(Fault(f"/args/{name}", _unknown(name, free)) for name in unknown),
            *(Fault(f"/args/{name}", f"missing parameter {name!r}") for name in missing),
        )
        raise InvalidError(
            f"task {self._task!r}: " + "; ".join(fault.detail for fault in faults), faults
        )


class RegisteredTask(Generic[P, R]):
    """A function or class that is a task; calling it is calling the plain one.

    `name` is the name in the registry, `defaults` are the options that `@task` was given for its
    instances, `function` is the plain function or class, `home` says where it runs, `fields` are
    those of a class. `target` takes arguments by name whatever the function's style; for a class
    `adapted` makes it from an instance's `run`.
    """

    def __init__(
        self, function: Callable[P, R], name: str, defaults: Mapping[str, Any], home: Home
    ) -> None:
        self.function = function
        self.name = name
        self.defaults = defaults
        self.home = home
        self.fields: Fields[Any] | None = Fields(function) if isinstance(function, type) else None
        self.signature = Signature(name, function)
        self.target = self.adapted(function)
        update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function, or make an object of the plain class."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"

    def options(self, **options: Unpack[InstanceOptions]) -> "TaskCall":
        """Return this task with options for one instance, to be submitted in its place.

        Raises:
            InvalidError: an option that does not exist, with the nearest that does.
        """
        _refuse_unknown_options(f"{self.name}.options()", options, InstanceOptions)
        needed = options.get("dependencies")
        if isinstance(needed, list | tuple):
            options["dependencies"] = [getattr(each, "uri", each) for each in needed]
        return TaskCall(self, {**self.defaults, **options})

    def check(self, arguments: Arguments) -> None:
        """Refuse arguments that the function can not be called with, as `Signature.check`."""
        self.signature.check(arguments)

    @property
    def address(self) -> str:
        """Where an interpreter that imports the module finds it: `module:qualified.name`.

        What stands there is this object, so the address goes one step further, to the plain class
        or to the function that takes arguments by name.
        """
        inner = "target" if self.fields is None else "function"
        return f"{self.function.__module__}:{self.function.__qualname__}.{inner}"

    def adapted(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function or a bound `run` as one that takes arguments by name."""
        if not self.signature.takes_in_and_out:
            return entry
        return _filling_later(entry) if self.home is Home.LOOP else _filling(entry)


class TaskCall:
    """A task with the options of one instance; `options` holds the task's defaults too."""

    __slots__ = ("options", "task")

    def __init__(self, task: RegisteredTask[..., Any], options: Mapping[str, Any]) -> None:
        self.task = task
        self.options = options


def registered_of(what: object) -> RegisteredTask[..., Any]:
    """Return the task that is to be submitted, with options or without.

    Raises:
        InvalidError: it is no task.
    """
    task = what.task if isinstance(what, TaskCall) else what
    if not isinstance(task, RegisteredTask):
        raise InvalidError(f"{task!r} is no task: mark a function or class with `@task`")
    return task


class Registry:
    """Tasks by name. `tipman.task` fills the common one, `TASKS`; another keeps tasks apart."""

    def __init__(self) -> None:
        self._tasks: dict[str, RegisteredTask[..., Any]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def get(self, name: str) -> RegisteredTask[..., Any]:
        """Return the task of this name.

        Raises:
            InvalidError: there is none in this process; names the nearest.
        """
        try:
            return self._tasks[name]
        except KeyError:
            raise InvalidError(
                f"no task {name!r} is registered in this process; import the module that has it"
                + hint(name, self._tasks)
            ) from None

    def class_called(self, type_: str, arguments: Any) -> str | None:
        """Return the name of the class task that arguments call, None if they call none.

        A `python` task is a class by its name: `module:Class`, as opposed to `module:function`.

        >>> Registry().class_called("python", {"call": "shop:models.Till"})
        'shop:models.Till'
        """
        if type_ == "inline":
            name = arguments["task"]
            task = self._tasks.get(name)
            return name if task is not None and task.fields is not None else None
        if type_ == "python":
            call = str(arguments["call"])
            return call if call.rpartition(":")[2].rpartition(".")[2][:1].isupper() else None
        return None

    @overload
    def task(self, function: Callable[P, R], /) -> RegisteredTask[P, R]: ...

    @overload
    def task(
        self, /, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], RegisteredTask[P, R]]: ...

    def task(
        self, function: Callable[..., Any] | None = None, /, **options: Unpack[TaskOptions]
    ) -> Any:
        """Register a function, a coroutine function or a class with a method `run` as a task.

        Bare, or with options. Arguments come by the names of its parameters, or, when these are
        exactly `(_in, out)`, as one dictionary, and the result is what it put into the other.

        Raises:
            InvalidError: the name belongs to another function, an option does not exist, or what
                is decorated can not be a task; the message says why.

        >>> tasks = Registry()
        >>> @tasks.task(retry={"attempts_max": 3})
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> double(4), double.name, double.defaults
        (8, 'double', {'retry': {'attempts_max': 3}})
        """
        _refuse_unknown_options("@task()", options, TaskOptions)
        if isinstance(function, RegisteredTask):
            function = function.function
        if function is not None:
            return self._register(function, options)
        return lambda decorated: self._register(decorated, options)

    def _register(
        self, function: Callable[..., Any], options: TaskOptions
    ) -> RegisteredTask[..., Any]:
        name = _name_of(function, options)
        defaults = {k: v for k, v in options.items() if k not in ("name", "process")}
        task = RegisteredTask(function, name, defaults, _home_of(name, function, options))
        known = self._tasks.get(name)
        if known is not None and not _is_again(known.function, function):
            raise InvalidError(
                f"the task name {name!r} belongs to {_place_of(known.function)} already; give"
                f" {_place_of(function)} another, as in @task(name=…)"
            )
        self._tasks[name] = task
        return task


TASKS = Registry()
task = TASKS.task


def _name_of(function: Callable[..., Any], options: TaskOptions) -> str:
    if not callable(function):
        raise InvalidError(f"@task is for functions and classes, not for {function!r}")
    name = options.get("name", getattr(function, "__name__", ""))
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f"{name!r} can not be the name of a task: letters, digits and ._:@- ; pass"
            " @task(name=…)"
        )
    return name


def _home_of(name: str, function: Callable[..., Any], options: TaskOptions) -> Home:
    is_coroutine = inspect.iscoroutinefunction(_entry(name, function))
    if options.get("process", False):
        if is_coroutine:
            raise InvalidError(f"task {name!r}: process=True is for `def`, not for `async def`")
        if "<" in function.__qualname__ or function.__module__ == "__main__":
            raise InvalidError(
                f"task {name!r} is to run in a process of its own, which can import neither the"
                " main script nor what has no name in its module: move it to a module"
            )
        return Home.PROCESS
    if is_coroutine:
        # Loading it takes tens of milliseconds, which the first start should not have to wait
        # for, and 6 MiB, which an engine without coroutines should not have to carry.
        import asyncio  # noqa: F401, PLC0415

        return Home.LOOP
    return Home.THREAD


def _entry(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is called with the arguments; a class's `run` still wants its `self`."""
    entry = getattr(function, "run", None) if isinstance(function, type) else function
    if not callable(entry):
        raise InvalidError(f"task class {name!r} has no method run()")
    if inspect.isgeneratorfunction(entry) or inspect.isasyncgenfunction(entry):
        raise InvalidError(f"task {name!r} is a generator: return a list instead")
    return entry


def _parameters(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(_entry(name, function)).parameters.values())
    except ValueError as error:
        raise InvalidError(f"task {name!r} does not tell its parameters: {error}") from error
    if isinstance(function, type) and inspect.isfunction(inspect.getattr_static(function, "run")):
        parameters = parameters[1:]
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidError(
                f"task {name!r}: arguments come by name, but {parameter.name!r} takes none"
            )
    return parameters


def _filling(entry: Callable[..., Any]) -> Callable[..., Any]:
    def call(**arguments: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        entry(arguments, out)
        return out

    return call


def _filling_later(entry: Callable[..., Any]) -> Callable[..., Any]:
    async def call(**arguments: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        await entry(arguments, out)
        return out

    return call


def _refuse_unknown_options(where: str, given: Mapping[str, Any], kind: type) -> None:
    known = kind.__annotations__
    faults = tuple(
        Fault(f"/{name}", f"unknown option {name!r}{hint(name, known)}")
        for name in given
        if name not in known
    )
    if faults:
        raise InvalidError(f"{where}: {faults[0].detail}", faults)


def _is_again(known: Callable[..., Any], function: Callable[..., Any]) -> bool:
    """Tell whether this is the known function once more, its module being imported again.

    Two functions made by one outer function stand in the same place but are not the same.
    """
    closes_over = getattr(inspect.unwrap(function), "__closure__", None)
    return known is function or (not closes_over and _place_of(known) == _place_of(function))


def _place_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"


def _unknown(name: str, known: frozenset[str]) -> str:
    return f"unknown parameter {name!r}{hint(name, known)}"
