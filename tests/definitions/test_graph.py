"""Cycles and orders of names, judged by a slow reachability of our own."""

from hypothesis import given
from hypothesis import strategies as st
from tipman.graph import find_cycle, topological_order

NAMES = "abcdefgh"
GRAPHS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES + "xyz"), max_size=4), max_size=8
)


def reachable(graph, start):
    found, pending = set(), list(graph.get(start, ()))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(graph.get(name, ()))
    return found


@given(GRAPHS)
def test_a_cycle_is_found_exactly_when_a_name_reaches_itself(graph):
    assert (find_cycle(graph) is not None) == any(n in reachable(graph, n) for n in graph)


@given(GRAPHS)
def test_each_name_of_a_cycle_waits_for_the_next_and_stands_once(graph):
    cycle = find_cycle(graph) or ()

    assert len(set(cycle)) == len(cycle)
    for name, following in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        assert following in graph[name]


@given(GRAPHS)
def test_an_order_has_every_key_once_after_what_it_waits_for(graph):
    order = topological_order(graph)

    if order is None:
        assert find_cycle(graph) is not None
        return
    assert sorted(order) == sorted(graph)
    for at, name in enumerate(order):
        assert not set(graph[name]) & set(order[at:])


def test_names_that_are_free_keep_the_order_they_were_given_in():
    assert topological_order({"c": [], "a": [], "b": ["c"]}) == ("c", "a", "b")


def test_a_name_that_waits_for_itself_is_a_cycle():
    assert find_cycle({"a": ["b"], "b": ["b"]}) == ("b",)


def test_a_chain_of_a_hundred_thousand_closed_to_a_ring_is_named_whole():
    names = [str(n) for n in range(100_000)]
    chain = dict(zip(names, [[n] for n in names[1:]] + [[]], strict=True))

    assert find_cycle(chain) is None
    assert topological_order(chain) == tuple(reversed(names))
    assert find_cycle(chain | {names[-1]: [names[0]]}) == tuple(names)


def test_ten_thousand_that_wait_for_ten_thousand_take_one_look_each():
    layers = {f"b{n}": [f"a{n}" for n in range(300)] for n in range(300)}

    assert find_cycle(layers) is None
