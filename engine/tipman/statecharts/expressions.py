"""Expressions: a subset of Python over JSON values, compiled once to nested closures.

The text is parsed by Python's own parser but never compiled or run by Python: each node that is
allowed becomes a closure over a `Scope`, every other node is refused with its position. No object
is reachable, only values; members are looked up in objects (dicts), never on Python's own.
"""

import ast
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite

from tipman.statecharts.closures import (
    EVENT_MEMBERS,
    Evaluate,
    all_of,
    any_of,
    comparison,
    comparison_chain,
    comparison_with,
    event_in_hand,
    event_member,
    member_of,
    variable,
)
from tipman.statecharts.errors import EvaluationError, ExpressionError, suggestion
from tipman.statecharts.model import Json
from tipman.statecharts.operators import (
    BINARY,
    COMPARISONS,
    FUNCTIONS,
    METHOD_NAMES,
    UNARY,
    call_method,
    element,
    measured,
)
from tipman.statecharts.scope import Scope

SOURCE_MAX = 2_000  # characters
NODES_MAX = 500
DEPTH_MAX = 64

# What closures may raise; everything else is a bug of this package.
FAILURES = (
    EvaluationError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
)

CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None}
REFUSED = {
    "Await": "await",
    "DictComp": "a comprehension",
    "FormattedValue": "an f-string",
    "GeneratorExp": "a generator",
    "JoinedStr": "an f-string",
    "Lambda": "lambda",
    "ListComp": "a comprehension",
    "NamedExpr": "an assignment",
    "Set": "a set",
    "SetComp": "a comprehension",
    "Slice": "a slice",
    "Starred": "a starred value",
    "Yield": "yield",
    "YieldFrom": "yield",
}
_NOWHERE = Scope(None)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which names an expression may use.

    `names` None means any name, looked up when it is evaluated; `states` None means that `In()`
    takes any text.
    """

    names: frozenset[str] | None = None
    event: str | None = None
    states: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    `compute` is the bare closure: it raises any of `FAILURES`. `reads` are the names it depends
    on; one that reads nothing but `In` depends on the configuration alone and is `static`.
    """

    source: str
    compute: Evaluate = field(repr=False, compare=False)
    reads: frozenset[str]
    static: bool

    def evaluate(self, scope: Scope) -> Json:
        """Give the value, bounded in size.

        Raises:
            EvaluationError: a missing name or member, a wrong type, a result out of bounds.
        """
        try:
            return measured(self.compute(scope))
        except EvaluationError as error:
            raise EvaluationError(f"{self.source!r}: {error}") from None
        except FAILURES as error:
            raise EvaluationError(f"{self.source!r}: {error}") from error

    def __call__(self, variables: Mapping[str, Json]) -> Json:
        """Give the value with nothing but *variables* in sight."""
        return self.evaluate(Scope(variables))


def compile_expression(
    source: str,
    *,
    names: Collection[str] | None = None,
    event: str | None = None,
    states: Collection[str] | None = None,
) -> Expression:
    """Compile *source*, which may use *names*, the name of the *event*, and `In()` on *states*.

    With *names* None every name is accepted and looked up when it is evaluated.

    Raises:
        ExpressionError: with the position of what is not allowed.

    >>> compile_expression("tries < 3 and kind in ['a', 'b']")({"tries": 1, "kind": "b"})
    True
    """
    return compile_with(
        source,
        Vocabulary(
            names=None if names is None else frozenset(names),
            event=event,
            states=None if states is None else frozenset(states),
        ),
    )


def compile_with(source: str, vocabulary: Vocabulary) -> Expression:
    """Compile *source* for one chart's *vocabulary*; see `compile_expression`."""
    compiler = _Compiler(source, vocabulary)
    compute = compiler.compile(_parse(source))
    reads = frozenset(compiler.reads)
    return Expression(source, compute, reads, static=reads <= {"In"})


def _parse(source: str) -> ast.expr:
    if len(source) > SOURCE_MAX:
        raise ExpressionError(f"the expression is longer than {SOURCE_MAX} characters", source)
    _check_escapes(source)
    text = source.lstrip()  # leading space would be an indentation to Python
    if not text:
        raise ExpressionError("the expression is empty", source)
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        reason = f"not an expression: {error.msg}"
        raise _refusal(source, reason, error.lineno or 1, error.offset or 1) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deeply", source) from None
    except ValueError as error:  # a NUL character
        raise ExpressionError(f"not an expression: {error}", source) from None
    if sum(1 for _ in ast.walk(tree)) > NODES_MAX:
        raise ExpressionError(f"the expression has more than {NODES_MAX} parts", source)
    return tree


def _refusal(source: str, reason: str, line: int, column: int) -> ExpressionError:
    """Place an error in *source*; *line* and *column* count without its leading space."""
    indent = source[: len(source) - len(source.lstrip())]
    if line == 1:
        column += len(indent) - (indent.rfind("\n") + 1)
    return ExpressionError(reason, source, line + indent.count("\n"), column)


def _check_escapes(source: str) -> None:
    # Python lets an unknown escape pass with a warning, which becomes an error some day.
    for match in _ESCAPE.finditer(source):
        if match[1] not in "\\'\"abfnrtvxuUN01234567" or not match[1]:
            line = source.count("\n", 0, match.start()) + 1
            column = match.start() - source.rfind("\n", 0, match.start())
            raise ExpressionError(f"unknown escape {match[0]!r}", source, line, column)


class _Compiler:
    """Turns one syntax tree into closures, collecting the names it reads."""

    def __init__(self, source: str, vocabulary: Vocabulary) -> None:
        self.source = source
        self.vocabulary = vocabulary
        self.reads: set[str] = set()
        self.reads_count = 0
        self.depth = 0

    def read(self, name: str) -> None:
        self.reads.add(name)
        self.reads_count += 1

    def refuse(self, node: ast.AST, reason: str) -> ExpressionError:
        line: int = getattr(node, "lineno", 1)
        offset: int = getattr(node, "col_offset", 0)
        row = self.source.lstrip().split("\n")[line - 1]
        column = len(row.encode()[:offset].decode(errors="replace")) + 1
        return _refusal(self.source, reason, line, column)

    def compile(self, node: ast.expr) -> Evaluate:
        kind = type(node).__name__
        build = _BUILDERS.get(kind)
        if build is None:
            raise self.refuse(node, f"{REFUSED.get(kind, kind)} is not allowed")
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self.refuse(node, f"nested more than {DEPTH_MAX} levels deep")
        reads = self.reads_count
        compute = build(self, node)
        self.depth -= 1
        return compute if self.reads_count > reads else self._fold(node, compute)

    def _fold(self, node: ast.expr, compute: Evaluate) -> Evaluate:
        try:
            value = measured(compute(_NOWHERE))
        except FAILURES as error:
            raise self.refuse(node, str(error)) from None
        return lambda _: value

    def constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if value is not None and not isinstance(value, bool | int | float | str):
            raise self.refuse(node, f"{type(value).__name__} is not a JSON value")
        if isinstance(value, float) and not isfinite(value):
            raise self.refuse(node, "the number is not finite")
        return lambda _: value

    def name(self, node: ast.Name) -> Evaluate:
        name = node.id
        known = self.vocabulary.names
        if name == self.vocabulary.event:
            self.read(name)
            return event_in_hand
        if name.startswith("__"):
            raise self.refuse(node, f"the name {name!r} is not allowed")
        if name in CONSTANTS and (known is None or name not in known):
            value = CONSTANTS[name]
            return lambda _: value
        if known is not None and name not in known:
            near = suggestion(name, {*known, *FUNCTIONS, *filter(None, [self.vocabulary.event])})
            raise self.refuse(node, f"the name {name!r} is unknown{near}")
        self.read(name)
        return variable(name)

    def attribute(self, node: ast.Attribute) -> Evaluate:
        owner, name = node.value, node.attr
        if name.startswith("_"):
            raise self.refuse(node, f"the member {name!r} is not allowed")
        if isinstance(owner, ast.Name) and owner.id == self.vocabulary.event:
            self.read(owner.id)
            if name not in EVENT_MEMBERS:
                near = suggestion(name, EVENT_MEMBERS)
                raise self.refuse(node, f"an event has no member {name!r}{near}")
            return event_member(EVENT_MEMBERS[name])
        return member_of(self.compile(owner), name)

    def subscript(self, node: ast.Subscript) -> Evaluate:
        owner, key = self.compile(node.value), self.compile(node.slice)
        return lambda scope: element(owner(scope), key(scope))

    def compare(self, node: ast.Compare) -> Evaluate:
        operands = [node.left, *node.comparators]
        for sign, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.Is | ast.IsNot) and not _is_singleton(operand):
                raise self.refuse(operand, "'is' compares with None, True or False only")
        signs = [COMPARISONS[type(sign).__name__] for sign in node.ops]
        if len(signs) == 1:
            left, right = self.compile(operands[0]), self.compile(operands[1])
            if isinstance(operands[1], ast.Constant):
                return comparison_with(signs[0], left, operands[1].value)
            return comparison(signs[0], left, right)
        return comparison_chain(signs, [self.compile(operand) for operand in operands])

    def boolean(self, node: ast.BoolOp) -> Evaluate:
        parts = [self.compile(value) for value in node.values]
        return all_of(parts) if isinstance(node.op, ast.And) else any_of(parts)

    def binary(self, node: ast.BinOp) -> Evaluate:
        operation = BINARY.get(type(node.op).__name__)
        if operation is None:
            raise self.refuse(node, f"the operator {type(node.op).__name__} is not allowed")
        left, right = self.compile(node.left), self.compile(node.right)
        return lambda scope: operation(left(scope), right(scope))

    def unary(self, node: ast.UnaryOp) -> Evaluate:
        operation = UNARY.get(type(node.op).__name__)
        if operation is None:
            raise self.refuse(node, f"the operator {type(node.op).__name__} is not allowed")
        operand = self.compile(node.operand)
        return lambda scope: operation(operand(scope))

    def choice(self, node: ast.IfExp) -> Evaluate:
        test, then, otherwise = map(self.compile, (node.test, node.body, node.orelse))
        return lambda scope: then(scope) if test(scope) else otherwise(scope)

    def sequence(self, node: ast.List | ast.Tuple) -> Evaluate:
        parts = [self.compile(part) for part in node.elts]
        return lambda scope: measured([part(scope) for part in parts])

    def mapping(self, node: ast.Dict) -> Evaluate:
        keys = []
        for key in node.keys:
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise self.refuse(key or node, "a key of an object must be a text")
            keys.append(key.value)
        values = [self.compile(value) for value in node.values]
        return lambda scope: measured(
            {key: value(scope) for key, value in zip(keys, values, strict=True)}
        )

    def call(self, node: ast.Call) -> Evaluate:
        if node.keywords:
            raise self.refuse(node.keywords[0], "arguments by name are not allowed")
        arguments = [self.compile(argument) for argument in node.args]
        if isinstance(node.func, ast.Name):
            return self._call_function(node, node.func.id, arguments)
        if isinstance(node.func, ast.Attribute):
            return self._call_method(node.func, arguments)
        raise self.refuse(node, "only functions and methods known by name can be called")

    def _call_function(self, node: ast.Call, name: str, arguments: list[Evaluate]) -> Evaluate:
        if name == "In":
            return self._membership(node, arguments)
        function = FUNCTIONS.get(name)
        if function is None:
            near = suggestion(name, [*FUNCTIONS, "In"])
            raise self.refuse(node, f"the function {name!r} is unknown{near}")
        return lambda scope: function(*[argument(scope) for argument in arguments])

    def _call_method(self, node: ast.Attribute, arguments: list[Evaluate]) -> Evaluate:
        name = node.attr
        if name not in METHOD_NAMES:
            near = suggestion(name, METHOD_NAMES)
            raise self.refuse(node, f"the method {name!r} is not allowed{near}")
        owner = self.compile(node.value)
        return lambda scope: call_method(
            owner(scope), name, [argument(scope) for argument in arguments]
        )

    def _membership(self, node: ast.Call, arguments: list[Evaluate]) -> Evaluate:
        if len(arguments) != 1:
            raise self.refuse(node, "In() takes the name of one state")
        known, argument = self.vocabulary.states, node.args[0]
        if (
            known is not None
            and isinstance(argument, ast.Constant)
            and argument.value not in known
        ):
            near = suggestion(str(argument.value), known)
            raise self.refuse(argument, f"no state is called {argument.value!r}{near}")
        self.read("In")
        name = arguments[0]
        return lambda scope: scope.is_in(name(scope))


_BUILDERS: dict[str, Callable[..., Evaluate]] = {
    "Attribute": _Compiler.attribute,
    "BinOp": _Compiler.binary,
    "BoolOp": _Compiler.boolean,
    "Call": _Compiler.call,
    "Compare": _Compiler.compare,
    "Constant": _Compiler.constant,
    "Dict": _Compiler.mapping,
    "IfExp": _Compiler.choice,
    "List": _Compiler.sequence,
    "Name": _Compiler.name,
    "Subscript": _Compiler.subscript,
    "Tuple": _Compiler.sequence,
    "UnaryOp": _Compiler.unary,
}


def _is_singleton(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, True, False)
