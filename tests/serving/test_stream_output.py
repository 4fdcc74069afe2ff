"""What an attempt writes is followed while it writes, to its end, and resumed from any byte."""

import pytest
from serving.followers import EVENT_STREAM, follow
from serving.served import Served

SLOW_S = 20


def run(served, line, **fields):
    return served.engine.submit_task({"type": "exec", "arguments": line, **fields})


def text(messages):
    return "".join(message.json["text"] for message in messages if message.name == "output")


def output_of(task):
    return f"{task.uri}/output"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server that keeps little of a long output, for the tests of this module."""
    home = tmp_path_factory.mktemp("house") / "home"
    with Served(home, output_head_bytes=1_000, output_tail_bytes=500) as served:
        yield served


def test_output_comes_while_the_attempt_writes_and_ends_with_it(house, tmp_path):
    gate = tmp_path / "gate"
    task = run(house, f"echo one; until [ -e {gate} ]; do sleep 0.02; done; echo two; exit 3")

    with follow(house, output_of(task)) as stream:
        begun = stream.until("output")
        gate.touch()
        rest = stream.until("end")
        assert list(stream.messages()) == []

    assert begun[0].name == "attempt"
    assert begun[0].json == {"task": task.uri, "attempt": 1, "stream": "stdout"}
    assert text(begun) == "one\n"
    assert text(begun + rest) == "one\ntwo\n"
    assert rest[-1].json == {"attempt": 1, "outcome": "failed", "bytes": 8}


def test_what_ended_before_is_told_whole(house):
    task = run(house, "printf 'a\\r\\nb\\0\\377\\n' >&2").wait(SLOW_S)

    with follow(house, f"{output_of(task)}?stream=stderr") as stream:
        messages = stream.until("end")

    assert text(messages) == "a\r\nb\\x00\\xff\n"
    assert messages[-1].json["outcome"] == "succeeded"


def test_a_broken_stream_is_resumed_from_the_byte_after_the_last(house):
    task = run(house, "seq 200").wait(SLOW_S)
    written = "".join(f"{n}\n" for n in range(1, 201))

    for offset in (0, 1, 300, len(written)):
        with follow(house, output_of(task), last_id=f"1.{offset}") as stream:
            assert text(stream.until("end")) == written[offset:]
        with follow(house, f"{output_of(task)}?after={offset}") as stream:
            assert text(stream.until("end")) == written[offset:]


def test_each_id_is_where_to_go_on(house):
    task = run(house, "for n in 1 2 3; do echo é$n; sleep 0.15; done")
    with follow(house, output_of(task)) as stream:
        messages = stream.until("end")

    whole = text(messages)
    assert whole == "é1\né2\né3\n"
    for message in messages[1:-1]:
        with follow(house, output_of(task), last_id=message.id) as stream:
            rest = text(stream.until("end"))
        seen = message.json["offset"] + len(message.json["text"].encode())
        assert rest == whole.encode()[seen:].decode()


def test_who_was_told_the_end_need_not_come_back(house):
    task = run(house, "echo tea").wait(SLOW_S)
    with follow(house, output_of(task)) as stream:
        end = stream.until("end")[-1]

    assert house.get(output_of(task), Accept=EVENT_STREAM, Last_Event_ID=end.id).status == 204


def test_a_cut_is_told(house):
    task = run(house, "seq 10000").wait(SLOW_S)
    written = "".join(f"{n}\n" for n in range(1, 10_001))

    with follow(house, output_of(task)) as stream:
        messages = stream.until("end")

    cut = next(message.json for message in messages if message.name == "cut")
    assert cut == {"offset": 1_000, "bytes": len(written) - 1_500}
    assert text(messages) == written[:1_000] + written[-500:]


def test_the_next_attempt_is_another_stream(house, tmp_path):
    line = f"[ -e {tmp_path}/again ] && echo second || {{ touch {tmp_path}/again; exit 1; }}"
    task = run(house, line, retry={"attempts_max": 2}).wait(SLOW_S)

    with follow(house, output_of(task)) as stream:
        last = stream.until("end")
    with follow(house, f"{output_of(task)}?attempt=1") as stream:
        first = stream.until("end")

    assert (text(last), last[-1].json["outcome"]) == ("second\n", "succeeded")
    assert (text(first), first[-1].json["outcome"]) == ("", "failed")


def test_who_comes_before_the_attempt_waits_for_it(house):
    held = house.engine.submit_task({"type": "wait"})
    task = run(house, "echo tea", dependencies=[held.id])

    with follow(house, output_of(task)) as stream:
        house.engine.send(held, "finish.reported")
        messages = stream.until("end")

    assert [message.name for message in messages] == ["attempt", "output", "end"]


def test_a_task_that_ends_without_an_attempt_ends_its_stream(house):
    held = house.engine.submit_task({"type": "wait"})
    task = run(house, "echo tea", dependencies=[held.id])

    with follow(house, output_of(task)) as stream:
        house.engine.cancel(task)
        messages = stream.until("end")

    assert [message.json for message in messages] == [
        {"attempt": None, "outcome": "cancelled", "bytes": None}
    ]


def test_an_attempt_that_writes_nothing_is_followed_to_its_end(house):
    task = house.engine.submit_task({"type": "sleep", "arguments": {"duration_s": 0.2}})

    with follow(house, output_of(task)) as stream:
        messages = stream.until("end")

    assert [message.name for message in messages] == ["attempt", "end"]
    assert messages[-1].json["outcome"] == "succeeded"


@pytest.mark.parametrize("cursor", ["x", "-1", "1.", "0.5", "2.7", "1.2.3", "1" * 200])
def test_a_place_that_is_none_is_refused(house, cursor):
    task = run(house, "true")

    answer = house.get(f"{output_of(task)}?attempt=1", Accept=EVENT_STREAM, Last_Event_ID=cursor)

    assert (answer.status, answer.json["code"]) == (422, "invalid")


def test_an_attempt_that_is_not_there_can_not_be_followed(house):
    task = run(house, "true").wait(SLOW_S)

    assert house.get(f"{output_of(task)}?attempt=2", Accept=EVENT_STREAM).status == 404


def test_an_attempt_that_the_stop_interrupts_is_followed_on_after_the_restart(tmp_path):
    with Served(tmp_path / "home", drain_s=0.0, grace_s=0.1) as served:
        task = run(served, "echo one; sleep 60")
        with follow(served, output_of(task)) as stream:
            messages = stream.until("output")
            served.stop()
            messages += list(stream.messages())
        served.start()
        with follow(served, output_of(task), last_id=messages[-1].id) as stream:
            rest = stream.until("end")
        served.engine.cancel(task)

    assert text(messages) == "one\n"
    assert text(rest) == ""
    assert rest[-1].json["outcome"] == "interrupted"
