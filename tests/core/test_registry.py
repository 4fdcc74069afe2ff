"""The registry of an engine: definitions, tokens, and writes that come more than once."""

import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from core.engines import PATIENCE_S
from tipman.errors import (
    ConflictError,
    IdempotencyMismatchError,
    InvalidError,
    KeyExistsError,
    NotFoundError,
    QuotaReachedError,
    RepeatedError,
)
from tipman.registry import views
from tipman.registry.records import Answer
from tipman.registry.repeats import KEPT_S, Memo, repeat_of
from tipman.runtime import Engine

REPEATS = 100
SAY = {"type": "exec", "arguments": {"argv": ["echo", "{words}", "{times + 1}"]}}
PARAMETERS = {
    "type": "object",
    "properties": {"words": {"type": "string"}, "times": {"type": "integer", "default": 1}},
    "required": ["words"],
    "additionalProperties": False,
}
PLAIN = {"type": "wait"}


@pytest.fixture
def engine(any_shop):
    return any_shop.start()


def pointers(refused):
    return [fault.pointer for fault in refused.value.faults]


def shown(engine, name, version=None):
    with engine.reading() as database:
        return views.definition_view(views.definition(database, "default", name, version))


# Definitions.


def test_a_definition_has_numbers_from_one_and_the_same_content_is_the_same_version(engine):
    first = engine.add_definition("say", SAY, PARAMETERS)
    other = engine.add_definition("say", {**SAY, "priority": 5}, PARAMETERS)
    reordered = dict(reversed(SAY.items()))
    again = engine.add_definition("say", reordered, dict(reversed(PARAMETERS.items())))

    assert [(a.version, a.is_new) for a in (first, other, again)] == [
        (1, True), (2, True), (1, False),
    ]  # fmt: skip
    assert shown(engine, "say")["version"] == 2
    assert shown(engine, "say", 1)["task"] == SAY


def test_a_number_is_not_used_again_after_its_version_is_retired(engine):
    engine.add_definition("say", SAY, PARAMETERS)
    engine.retire_definition("say", 1)

    again = engine.add_definition("say", SAY, PARAMETERS)

    assert (again.version, again.is_new) == (2, True)
    assert shown(engine, "say", 1)["retired_at"] is not None


def test_a_number_is_not_used_again_in_a_namespace_that_was_made_again(engine):
    engine.create_namespace("team")
    engine.add_definition("say", SAY, PARAMETERS, namespace="team")
    engine.delete_namespace("team")
    engine.create_namespace("team")

    with pytest.raises(InvalidError, match="retired"):
        engine.submit_task({"definition": "say@1", "namespace": "team"})

    again = engine.add_definition("say", SAY, PARAMETERS, namespace="team")
    assert (again.version, again.is_new) == (2, True)


def test_arguments_are_filled_in_and_braces_in_them_are_plain_text(engine):
    engine.add_definition("say", SAY, PARAMETERS)
    given = {"definition": "say", "arguments": {"words": "{times}"}, "after_s": 600}

    task = engine.task(engine.submit_task({**given, "key": "k", "priority": 7}))

    assert task["arguments"] == {"argv": ["echo", "{times}", "2"]}
    assert (task["definition"], task["key"], task["priority"]) == ("say@1", "k", 7)


def test_a_parameter_that_is_a_whole_argument_keeps_its_kind(engine):
    parameters = {"properties": {"body": {}, "seconds": {"type": "number"}}}
    engine.add_definition(
        "call",
        {"type": "http", "arguments": {"url": "http://127.0.0.1:1/{seconds}", "body": "{body}"}},
        parameters,
    )
    arguments = {"body": {"a": [1, None]}, "seconds": 2}

    task = engine.task(
        engine.submit_task({"definition": "call", "arguments": arguments, "after_s": 600})
    )

    assert task["arguments"] == {"url": "http://127.0.0.1:1/2", "body": {"a": [1, None]}}


def test_an_instance_is_pinned_to_its_version_and_goes_on_when_that_is_retired(engine):
    engine.add_definition("say", {**SAY, "after_s": 600}, PARAMETERS)
    by_name = {"definition": "say", "arguments": {"words": "a"}}
    handle = engine.submit_task(by_name)
    engine.add_definition("say", {**SAY, "priority": 1}, PARAMETERS)
    engine.retire_definition("say")

    assert engine.task(handle)["definition"] == "say@1"
    assert engine.task(handle)["state"] == "delayed"
    for reference in ("say", "say@1", "say@2"):
        with pytest.raises(InvalidError, match="retired") as refused:
            engine.submit_task({**by_name, "definition": reference})
        assert pointers(refused) == ["/definition"]


def test_a_name_alone_is_the_newest_version_in_use(engine):
    engine.add_definition("say", {**SAY, "after_s": 600}, PARAMETERS)
    engine.add_definition("say", {**SAY, "after_s": 700}, PARAMETERS)
    by_name = {"definition": "say", "arguments": {"words": "a"}}

    newest = engine.task(engine.submit_task(by_name))
    engine.retire_definition("say", 2)
    older = engine.task(engine.submit_task(by_name))

    assert [task["definition"] for task in (newest, older)] == ["say@2", "say@1"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"definition": "shout"}, "/definition"),
        ({"definition": "say@9"}, "/definition"),
        ({"definition": "say@0"}, "/definition"),
        ({"definition": 1}, "/definition"),
        ({"definition": "say"}, "/arguments"),
        ({"definition": "say", "arguments": []}, "/arguments"),
        ({"definition": "say", "arguments": {"words": 1}}, "/arguments/words"),
        ({"definition": "say", "arguments": {"words": "a", "wrods": 1}}, "/arguments"),
        ({"definition": "say", "arguments": {"words": "a"}, "type": "exec"}, "/type"),
        ({"definition": "say", "arguments": {"words": "a"}, "priority": 5000}, "/priority"),
        ({"definition": "say", "arguments": {"words": "a"}, "namespace": "no"}, "/definition"),
        ({"definition": "say", "arguments": {"words": "a"}, "namespace": 1}, "/namespace"),
    ],
)
def test_a_submission_that_can_not_be_is_refused_with_its_place(shop, given, pointer):
    engine = shop.start()
    engine.add_definition("say", SAY, PARAMETERS)

    with pytest.raises(InvalidError) as refused:
        engine.submit_task(given)

    assert pointers(refused) == [pointer]


@pytest.mark.parametrize(
    ("name", "task", "parameters", "pointer"),
    [
        ("two words", SAY, PARAMETERS, "/name"),
        ("say", [], {}, "/task"),
        ("say", {**SAY, "type": "exce"}, PARAMETERS, "/task/type"),
        ("say", {**SAY, "key": "k"}, PARAMETERS, "/task/key"),
        ("say", {**SAY, "dependencies": ["a"]}, PARAMETERS, "/task/dependencies"),
        ("say", {**SAY, "arguments": {"argv": ["{wrods}"]}}, PARAMETERS, "/task/arguments/argv/0"),
        ("say", {**SAY, "arguments": {"argv": ["{a b}"]}}, PARAMETERS, "/task/arguments/argv/0"),
        ("say", SAY, {"type": "objekt"}, "/parameters/type"),
        ("say", SAY, [], "/parameters"),
    ],
)
def test_what_can_not_be_a_definition_is_refused_with_its_place(
    shop, name, task, parameters, pointer
):
    engine = shop.start()

    with pytest.raises(InvalidError) as refused:
        engine.add_definition(name, task, parameters)

    assert pointer in pointers(refused)
    with pytest.raises(NotFoundError):
        shown(engine, "say")


def test_a_definition_is_of_its_namespace(engine):
    engine.create_namespace("team")
    engine.add_definition("say", SAY, PARAMETERS, namespace="team")

    with pytest.raises(InvalidError, match="no definition 'say' in the namespace 'default'"):
        engine.submit_task({"definition": "say", "arguments": {"words": "a"}})
    with pytest.raises(InvalidError, match="no namespace"):
        engine.add_definition("say", SAY, PARAMETERS, namespace="nowhere")


def test_many_that_add_the_same_definition_at_once_add_one_version(engine):
    with ThreadPoolExecutor(8) as threads:
        added = list(
            threads.map(lambda _: engine.add_definition("say", SAY, PARAMETERS), range(24))
        )

    assert {one.version for one in added} == {1}
    assert sum(one.is_new for one in added) == 1


# Tokens.


def test_a_token_opens_until_it_is_revoked_also_after_a_start(any_shop):
    engine = any_shop.start()
    engine.create_namespace("team")
    token, secret = engine.create_token("ci", "operate", namespace="team")
    assert engine.authenticate(secret) == ("ci", "operate", "team")
    engine.close()
    engine = any_shop.start()
    assert engine.authenticate(secret) == ("ci", "operate", "team")

    engine.revoke_token("ci")

    assert engine.authenticate(secret) is None
    assert engine.create_token("ci", "read")[0].secret != token.secret, "the name is free"


def test_of_a_secret_only_the_hash_is_kept(shop):
    engine = shop.start()
    secret = engine.create_token("ci", "admin")[1]
    engine.close()

    files = [path for path in shop.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("secret", ["", "admin", "tipman_", "ü\ud800", "tipman_" + "A" * 43])
def test_no_other_secret_opens(shop, secret):
    engine = shop.start()
    engine.create_token("ci", "admin")

    assert engine.authenticate(secret) is None


def test_what_can_not_be_a_token_is_refused(engine):
    engine.create_token("ci", "read")

    with pytest.raises(KeyExistsError):
        engine.create_token("ci", "read")
    with pytest.raises(InvalidError) as refused:
        engine.create_token("root", "god")
    assert pointers(refused) == ["/scope"]
    with pytest.raises(InvalidError, match="no namespace"):
        engine.create_token("root", "admin", namespace="nowhere")
    with pytest.raises(NotFoundError):
        engine.revoke_token("root")


def test_the_first_start_makes_a_token_that_only_its_owner_can_read(shop):
    engine = shop.start()
    path = engine.settings.home / "token"

    assert engine.ensure_token(path)

    secret = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert engine.authenticate(secret) == ("admin", "admin", None)
    assert not engine.ensure_token(path)
    assert path.read_text().strip() == secret


def test_a_file_of_another_database_is_replaced_and_was_never_open_to_others(shop):
    engine = shop.start()
    path = engine.settings.home / "token"
    path.parent.mkdir(exist_ok=True)
    path.write_text("old")
    path.chmod(0o644)

    assert engine.ensure_token(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert engine.authenticate(path.read_text().strip()) is not None


def test_who_has_lost_every_administrator_gets_a_new_one_at_the_next_start(shop):
    engine = shop.start()
    path = engine.settings.home / "token"
    engine.ensure_token(path)
    engine.create_namespace("team")
    engine.create_token("theirs", "admin", namespace="team")
    engine.create_token("reader", "read")
    engine.revoke_token("admin")
    engine.close()
    engine = shop.start()

    assert engine.ensure_token(path)

    assert engine.authenticate(path.read_text().strip())[1:] == ("admin", None)


def test_an_engine_that_is_open_and_not_started_makes_tokens(any_shop):
    engine = any_shop.engine()
    engine.open()
    secret = engine.create_token("rescue", "admin")[1]
    engine.close()

    assert any_shop.start().authenticate(secret) == ("rescue", "admin", None)


# Lists.


def test_lists_are_in_the_order_of_names_and_bounded(engine):
    for name in ("b", "a", "c"):
        engine.create_namespace(name)
        engine.create_token(name, "read", namespace=name)
        engine.add_definition(name, SAY, PARAMETERS)
        engine.add_definition(name, {**SAY, "priority": 1}, PARAMETERS)
    for _ in range(2):
        engine.submit_task({**PLAIN, "namespace": "b"})

    with engine.reading() as database:
        namespaces = views.namespaces(database, limit=9)
        tokens = views.tokens(database, after="a", limit=1)
        definitions = views.definitions(database, "default", after="a", limit=9)
        own = (
            views.namespaces(database, limit=9, only="b"),
            views.tokens(database, limit=9, only="b"),
        )

    assert [(n.name, n.open_tasks) for n in namespaces] == [
        ("a", 0), ("b", 2), ("c", 0), ("default", 0),
    ]  # fmt: skip
    assert [token.name for token in tokens] == ["b"]
    assert [(d.name, d.version) for d in definitions] == [("b", 2), ("c", 2)]
    assert [[one.name for one in found] for found in own] == [["b"], ["b"]]


# Repeats.


def repeat(key="k", body=b"{}", **named):
    where = {"token": "ci", "namespace": "default", "method": "POST", "path": "/api/v1/tasks"}
    return repeat_of(**{**where, **named}, key=key, body=body)


def submitting(engine, wanted):
    """Return a write that submits one task, to be given to `once`."""

    def write():
        event = engine.submission(PLAIN, actor="ci")
        answer = Answer(202, "/a/place", (event.instance,))
        engine.core.bus.publish(event, Memo(wanted, lambda _: answer))
        return answer

    return write


def count(engine):
    with engine.reading() as database:
        rows = database.fetch("SELECT count(*) FROM instance WHERE kind = 'task'")
        return rows[0][0]


def test_a_hundred_repeats_at_once_make_one_task_and_get_one_answer(engine):
    wanted = repeat()
    together = threading.Barrier(REPEATS)

    def ask(_):
        together.wait(PATIENCE_S)
        return engine.once(wanted, submitting(engine, wanted))

    with ThreadPoolExecutor(REPEATS) as threads:
        answers = set(threads.map(ask, range(REPEATS)))

    assert len(answers) == 1
    assert count(engine) == 1


def test_a_hundred_writes_without_the_key_make_a_hundred_tasks(engine):
    """The negative control."""
    for number in range(5):
        submitting(engine, repeat(key=str(number)))()

    assert count(engine) == 5


def test_a_repeat_is_answered_the_same_after_a_start(any_shop):
    engine = any_shop.start()
    first = engine.once(repeat(), submitting(engine, repeat()))
    engine.close()
    engine = any_shop.start()

    assert engine.once(repeat(), submitting(engine, repeat())) == first
    assert count(engine) == 1


def test_the_bus_makes_a_write_once_even_if_nobody_has_looked(engine):
    submitting(engine, repeat())()

    with pytest.raises(RepeatedError):
        submitting(engine, repeat())()

    assert count(engine) == 1


def test_another_body_under_the_same_key_is_refused(engine):
    engine.once(repeat(), submitting(engine, repeat()))
    other = repeat(body=b"[]")

    with pytest.raises(IdempotencyMismatchError):
        engine.once(other, submitting(engine, other))

    assert count(engine) == 1


@pytest.mark.parametrize(
    "named",
    [
        {"token": "other"},
        {"namespace": "other"},
        {"method": "PUT"},
        {"path": "/api/v1/namespaces"},
        {"key": "K"},
        {"token": "ci\0default", "namespace": "POST"},
    ],
)
def test_a_key_is_of_one_token_namespace_method_and_path(shop, named):
    engine = shop.start()
    engine.once(repeat(), submitting(engine, repeat()))
    other = repeat(**named)

    engine.once(other, submitting(engine, other))

    assert count(engine) == 2


def test_what_was_refused_is_not_kept_and_may_be_tried_again(engine):
    engine.change_namespace("default", {"open_tasks_max": 0})
    with pytest.raises(QuotaReachedError):
        engine.once(repeat(), submitting(engine, repeat()))
    engine.change_namespace("default", {"open_tasks_max": 1})

    engine.once(repeat(), submitting(engine, repeat()))

    assert count(engine) == 1


def test_an_answer_is_forgotten_after_a_day_and_its_row_removed(house):
    def write():
        event = house.submitter.batch([house.checked(PLAIN)], actor="ci")
        memo = Memo(repeat(), lambda _: Answer(202, None, (event.instance,)))
        receipt = house.core.bus.publish_nowait(event, _receipt(memo))
        house.rest()
        receipt.result(0)

    write()
    house.advance(KEPT_S - 1)
    with pytest.raises(RepeatedError):
        write()
    house.advance(1)
    write()

    assert house.reader.fetch("SELECT count(*) FROM instance") == [(2,)]
    assert house.reader.fetch("SELECT count(*) FROM kept_answer") == [(1,)]


def test_old_answers_are_removed_in_small_batches_by_new_ones(house):
    rows = [(number.to_bytes(32, "big"), b"", 202, b"", 0) for number in range(1200)]
    with house.core.database.transaction():
        house.core.database.execute_many(
            "INSERT INTO kept_answer (key, content, status, ids, kept_at) VALUES (?, ?, ?, ?, ?)",
            rows,
        )

    left = []
    for number in range(4):
        _keep(house, f"new {number}")
        left.append(house.reader.fetch("SELECT count(*) FROM kept_answer WHERE kept_at = 0")[0][0])

    assert left == [700, 200, 0, 0]


def _keep(house, key):
    event = house.submitter.batch([house.checked(PLAIN)], actor="ci")
    memo = Memo(repeat(key), lambda _: Answer(202))
    house.core.bus.publish_nowait(event, _receipt(memo))
    house.rest()


def _receipt(memo):
    from tipman.receipts import Receipt

    return Receipt(memo)


def test_every_kind_of_write_can_be_repeated(engine):
    engine.once(repeat("task"), submitting(engine, repeat("task")))
    made = []

    def once(key, write):
        wanted = repeat(key)
        made.extend(
            engine.once(wanted, lambda: _told(write(Memo(wanted, _told)))) for _ in range(2)
        )

    once("namespace", lambda memo: engine.create_namespace("team", memo=memo))
    once("change", lambda memo: engine.change_namespace("team", {"slots_max": 1}, memo=memo))
    once("definition", lambda memo: engine.add_definition("say", SAY, PARAMETERS, memo=memo))
    once("retire", lambda memo: engine.retire_definition("say", memo=memo))
    once("token", lambda memo: engine.create_token("ci", "read", memo=memo)[0])
    once("revoke", lambda memo: engine.revoke_token("ci", memo=memo))
    once("delete", lambda memo: engine.delete_namespace("team", memo=memo))

    assert made[::2] == made[1::2]


def _told(outcome):
    return Answer(200, body=json.dumps(repr(outcome)))


def test_deleting_a_namespace_with_open_tasks_is_a_conflict(engine):
    engine.create_namespace("team")
    handle = engine.submit_task({**PLAIN, "namespace": "team"})
    with pytest.raises(ConflictError):
        engine.delete_namespace("team")

    engine.cancel(handle)
    engine.delete_namespace("team")

    with pytest.raises(InvalidError):
        engine.submit_task({**PLAIN, "namespace": "team"})


def test_a_quota_holds_under_concurrent_submissions(engine):
    engine.create_namespace("team", open_tasks_max=10)

    def submit(_):
        try:
            engine.submit_task({**PLAIN, "namespace": "team"})
        except QuotaReachedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        let_in = sum(threads.map(submit, range(40)))

    assert let_in == 10
    assert isinstance(engine, Engine)
    assert count(engine) == 10


@pytest.mark.parametrize(
    "quotas", [{"open_tasks_max": -1}, {"slots_max": 0}, {"slots_max": True}, {"slots": 1}]
)
def test_a_quota_that_can_not_be_is_refused(shop, quotas):
    with pytest.raises(InvalidError):
        shop.start().change_namespace("default", quotas)
