"""What an attempt writes can be read while it writes, from any place and across cuts."""

import random

import pytest
from tipman.executors.output import OutputFile, text_of_bytes
from tipman.executors.playback import Playback, whole_characters

SIZE = 16


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "stdout")


def output(path, head_bytes=64, tail_bytes=32):
    return OutputFile(path, head_bytes=head_bytes, tail_bytes=tail_bytes)


def everything(playback):
    return playback.parts(10_000, SIZE)


def test_nothing_is_there_before_the_attempt_has_begun(path):
    with Playback(path) as playback:
        assert everything(playback) == []

        output(path).write(b"now")

        assert everything(playback) == [(0, b"now")]


def test_it_goes_on_where_it_was(path):
    file = output(path)
    with Playback(path, 3) as playback:
        file.write(b"abcdef")
        assert everything(playback) == [(3, b"def")]

        file.write(b"g")

        assert everything(playback) == [(6, b"g")]
        assert everything(playback) == []


def test_parts_are_bounded(path):
    output(path).write(b"x" * 40)

    with Playback(path) as playback:
        assert [len(part.data) for part in playback.parts(2, SIZE)] == [16, 16]
        assert [len(part.data) for part in playback.parts(2, SIZE)] == [8]


def test_who_keeps_up_misses_nothing_of_what_is_cut(path):
    file = output(path)
    written, found = b"", b""
    chance = random.Random(1)
    with Playback(path) as playback:
        for _ in range(300):
            data = bytes(chance.randrange(32, 127) for _ in range(chance.randrange(1, 40)))
            file.write(data)
            written += data
            for part in everything(playback):
                assert part.offset == len(found)
                found += part.data
        file.close()

    assert found == written
    assert len(written) > 10 * (64 + 32)


def test_who_comes_late_is_told_of_the_cut_by_a_gap(path):
    file = output(path)
    written = bytes(32 + n % 90 for n in range(2_000))
    for place in range(0, len(written), 50):
        file.write(written[place : place + 50])
    file.close()

    with Playback(path) as playback:
        found = everything(playback)

    assert b"".join(part.data for part in found if part.offset < 64) == written[:64]
    assert b"".join(part.data for part in found if part.offset >= 64) == written[-32:]
    assert all(written[at : at + len(data)] == data for at, data in found)


@pytest.mark.parametrize("offset", [0, 10, 63, 64, 500, 1_968, 1_990, 2_000, 5_000])
def test_a_stream_that_was_cut_is_resumed_from_any_place(path, offset):
    file = output(path)
    written = bytes(32 + n % 90 for n in range(2_000))
    file.write(written)
    file.close()

    with Playback(path, offset) as playback:
        found = everything(playback)

    kept = set(range(64)) | set(range(1_968, 2_000))
    places = [at + n for at, data in found for n in range(len(data))]
    assert places == sorted(place for place in kept if place >= offset)


def test_characters_come_whole_however_they_are_written(path):
    file = output(path, head_bytes=10_000)
    text = "aé€🙂" * 50
    found = ""
    with Playback(path) as playback:
        for byte in text.encode():
            file.write(bytes([byte]))
            for part in everything(playback):
                found += part.data.decode()

    assert found == text


def test_what_is_no_text_comes_all_the_same(path):
    file = output(path, head_bytes=10_000)
    data = random.Random(1).randbytes(3_000) + b"\xf0\x9f"
    found = b""
    file.write(data)

    with Playback(path) as playback:
        found += b"".join(part.data for part in everything(playback))
        assert found == data[:-2]
        playback.finish()
        found += b"".join(part.data for part in everything(playback))

    assert found == data
    assert text_of_bytes(found)


def test_a_character_that_a_cut_has_halved_holds_up_nothing(path):
    file = output(path, head_bytes=65)
    file.write("é".encode() * 1_000)
    file.close()

    with Playback(path) as playback:
        found = everything(playback)

    assert found[-1].offset + len(found[-1].data) == 2_000
    assert sum(len(part.data) for part in found if part.offset < 65) == 65


@pytest.mark.parametrize("text", ["é", "€", "🙂"])
def test_each_beginning_of_a_character_waits_for_its_rest(text):
    data = text.encode()

    for length in range(1, len(data)):
        assert whole_characters(b"a" + data[:length]) == 1
    assert whole_characters(b"a" + data) == 1 + len(data)
