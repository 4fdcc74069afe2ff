"""The chronicle: whatever happens to the registry leaves a line, with its rows."""

import json

import pytest
from tipman.errors import ConflictError, InvalidError, NotFoundError
from tipman.journal import START, Wanted, read
from tipman.registrations import NamespaceCreated, NamespaceDeleted
from tipman.verification import verify

PLAIN = {"type": "wait"}
CHAIN = {"name": "pair", "tasks": [{"name": "only", "type": "wait"}]}


@pytest.fixture
def engine(any_shop):
    return any_shop.start()


def lines(engine, namespace=None):
    with engine.reading() as database:
        wanted = Wanted(namespace=namespace, kind="registry")
        return list(read(database, wanted, START).lines)


def told(engine, namespace=None):
    return [(line.name, json.loads(line.data)) for line in lines(engine, namespace)]


def is_whole(engine):
    with engine.reading() as database:
        found = verify(database)
    return found.is_whole


def test_a_namespace_tells_its_quotas_before_and_after(engine):
    engine.create_namespace("team", open_tasks_max=2, actor="ann")
    engine.change_namespace("team", {"slots_max": 1}, actor="bob")
    engine.delete_namespace("team", actor="ann")

    none, one = ({"open_tasks_max": 2, "slots_max": slots} for slots in (None, 1))
    assert told(engine, "team") == [
        ("namespace.created", {"name": "team", **none}),
        ("namespace.changed", {"name": "team", "before": none, "after": one}),
        ("namespace.deleted", {"name": "team"}),
    ]
    steps = [(line.actor, line.before, line.after) for line in lines(engine)]
    assert steps == [
        ("ann", "", "active"),
        ("bob", "active", "active"),
        ("ann", "active", "finished"),
    ]
    assert is_whole(engine)


@pytest.mark.parametrize("what", ["definition", "workflow"])
def test_a_version_is_told_once_however_often_it_is_handed_in(engine, what):
    add, retire = getattr(engine, f"add_{what}"), getattr(engine, f"retire_{what}")
    given = {"definition": ("say", PLAIN, {}), "workflow": (CHAIN,)}[what]
    name = {"definition": "say", "workflow": "pair"}[what]

    for _ in range(2):
        add(*given, actor="ann")
    for _ in range(2):
        retire(name, actor="bob")

    (added, about), (retired, of) = told(engine, "default")
    assert (added, retired) == (f"{what}.added", f"{what}.retired")
    assert (about["name"], about["version"], len(about["content"])) == (name, 1, 64)
    assert of == {"name": name, "versions": [1]}
    assert [line.actor for line in lines(engine)] == ["ann", "bob"]


def test_a_token_is_told_without_its_secret(engine):
    made, secret = engine.create_token("robot", "operate", namespace="default")
    engine.revoke_token("robot")

    robot = {"name": "robot", "scope": "operate", "namespace": "default"}
    assert told(engine) == [("token.created", robot), ("token.revoked", robot)]
    assert {line.namespace for line in lines(engine)} == {""}
    texts = "".join(line.data for line in lines(engine))
    assert secret not in texts
    assert made.secret.hex() not in texts


def test_the_tokens_of_a_namespace_that_ends_are_told_as_revoked(engine):
    engine.create_namespace("team")
    engine.create_token("robot", "read", namespace="team")

    engine.delete_namespace("team", actor="ann")

    (revoked,) = [line for line in lines(engine) if line.name == "token.revoked"]
    assert (revoked.actor, json.loads(revoked.data)["name"]) == ("ann", "robot")


def test_what_was_refused_leaves_no_line(engine):
    for refused, error in (
        (lambda: engine.delete_namespace("default"), ConflictError),
        (lambda: engine.retire_workflow("nobody"), NotFoundError),
        (lambda: engine.revoke_token("nobody"), NotFoundError),
        (lambda: engine.create_token("robot", "read", namespace="nowhere"), InvalidError),
    ):
        with pytest.raises(error):
            refused()

    assert not lines(engine)


def test_the_log_goes_on_after_a_start(any_shop):
    with any_shop.start() as engine:
        engine.create_namespace("team")
    with any_shop.start() as engine:
        engine.change_namespace("team", {"slots_max": 1})
        found = lines(engine)

        assert [line.sequence for line in found] == [1, 2]
        assert len({line.instance for line in found}) == 1
        assert is_whole(engine)


def test_a_namespace_made_anew_has_a_log_of_its_own(house):
    made, ended = NamespaceCreated("team", "ann", None, None), NamespaceDeleted("team", "ann")
    house.publish(made)

    house.publish(ended, made, ended)
    house.publish(made)

    rows = house.reader.fetch(
        "SELECT state, sequence, key FROM instance WHERE kind = 'registry' ORDER BY id"
    )
    assert rows == [("finished", 2, None), ("finished", 2, None), ("active", 1, "registry")]
    assert verify(house.reader).is_whole


def test_a_line_that_somebody_changed_is_found(engine):
    engine.create_token("robot", "read")
    with engine.core.database.transaction():
        engine.core.database.execute(
            "UPDATE log_entry SET actor = 'nobody' WHERE name = 'token.created'"
        )

    assert not is_whole(engine)
