"""Ids: in order, never twice, whatever the clock and however many threads ask."""

import threading

from tipman.ids import IdSource, parse, text_of

THREADS = 8
EACH = 5_000


def test_ids_of_one_millisecond_are_in_the_order_of_their_making():
    source = IdSource(lambda: 1_700_000_000_000)

    ids = [source() for _ in range(1_000)]

    assert ids == sorted(set(ids))


def test_ids_stay_in_order_when_the_clock_is_set_back():
    times = iter([1_700_000_000_000, 1_600_000_000_000, 1_700_000_000_001])
    source = IdSource(lambda: next(times))

    ids = [source() for _ in range(3)]

    assert ids == sorted(set(ids))


def test_more_ids_than_a_millisecond_holds_borrow_the_next():
    source = IdSource(lambda: 1_700_000_000_000)

    ids = [source() for _ in range(2**18 + 2)]

    assert ids == sorted(set(ids))


def test_threads_never_get_the_same_id():
    source = IdSource(lambda: 1_700_000_000_000)
    made: list[list[bytes]] = [[] for _ in range(THREADS)]

    def make(ids):
        ids.extend(source() for _ in range(EACH))

    threads = [threading.Thread(target=make, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({each for ids in made for each in ids}) == THREADS * EACH


def test_an_id_is_a_uuid_of_version_7():
    text = text_of(IdSource(lambda: 1_700_000_000_000)())

    assert (text[14], text[19] in "89ab", text_of(parse(text))) == ("7", True, text)
