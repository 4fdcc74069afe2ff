"""The output files of attempts: what is kept of a stream, and how a cut is marked."""

import pytest
from tipman.executors.output import OutputFile, Part, parts_of


def written(path, *chunks):
    file = OutputFile(str(path), head_bytes=10, tail_bytes=4)
    for chunk in chunks:
        file.write(chunk)
    file.close()
    return path.read_bytes()


def test_a_short_stream_is_kept_byte_for_byte(tmp_path):
    stream = bytes(range(7)) * 2

    assert written(tmp_path / "out", stream[:3], stream[3:]) == stream
    assert parts_of(str(tmp_path / "out"), 5) == [Part(5, stream[5:])]
    assert parts_of(str(tmp_path / "out"), 14) == []


def test_a_long_stream_keeps_its_first_and_its_last_part_and_says_what_was_cut(tmp_path):
    content = written(tmp_path / "out", b"0123456789", b"abcdefgh")

    assert content == b"0123456789\n[tipman: 4 bytes cut after the first 10]\nefgh"
    assert parts_of(str(tmp_path / "out")) == [Part(0, b"0123456789"), Part(14, b"efgh")]


@pytest.mark.parametrize("chunk_size", [1, 3, 64, 5000])
def test_the_end_is_the_same_however_the_stream_came(tmp_path, chunk_size):
    stream = b"".join(b"%d\n" % n for n in range(1000))
    chunks = [stream[at : at + chunk_size] for at in range(0, len(stream), chunk_size)]

    content = written(tmp_path / "out", *chunks)

    cut = len(stream) - 14
    assert (
        content
        == stream[:10] + b"\n[tipman: %d bytes cut after the first 10]\n" % cut + (stream[-4:])
    )


def test_a_stream_can_be_followed_while_it_is_written(tmp_path):
    stream = b"".join(b"%d\n" % n for n in range(300))
    file = OutputFile(str(tmp_path / "out"), head_bytes=10, tail_bytes=4)

    seen = {}
    for at in range(0, len(stream), 3):
        file.write(stream[at : at + 3])
        for part in parts_of(str(tmp_path / "out"), max(seen, default=-1) + 1):
            seen |= {part.offset + n: byte for n, byte in enumerate(part.data)}
        assert max(seen) == min(at + 3, len(stream)) - 1
    file.close()

    assert all(stream[at] == byte for at, byte in seen.items())


def test_the_last_bytes_are_there_at_any_moment(tmp_path):
    stream = b"".join(b"%d\n" % n for n in range(300))
    file = OutputFile(str(tmp_path / "out"), head_bytes=10, tail_bytes=4)

    for end in range(1, len(stream)):
        file.write(stream[end - 1 : end])
        kept = b"".join(part.data for part in parts_of(str(tmp_path / "out")))
        assert kept.startswith(stream[:10][:end])
        assert kept.endswith(stream[:end][-4:])
    file.close()


def test_a_line_that_only_looks_like_a_cut_is_output(tmp_path):
    stream = b"\n[tipman: 4 bytes cut after the first 10]\n"
    path = tmp_path / "out"
    path.write_bytes(stream)

    assert parts_of(str(path)) == [Part(0, stream)]


def test_the_last_line_is_the_last_that_is_not_blank(tmp_path):
    file = OutputFile(str(tmp_path / "out"), head_bytes=10, tail_bytes=4)
    file.write(b"one\n two \xff\0 \n\n  \n")

    assert file.last_line() == "two \\xff\\x00"
    file.close()


def test_a_full_disk_loses_output_and_says_so():
    file = OutputFile("/dev/full", head_bytes=10, tail_bytes=4)

    file.write(b"lost")
    file.write(b"lost as well")
    file.close()

    assert file.fault == "/dev/full: No space left on device"
