"""Statechart steps, ours against python-statemachine: one run, by turns, medians of rounds.

`python benchmarks/statecharts.py` exits 1 when a ratio falls short. Each measurement is a child
process of its own. The peer lives in an environment of its own: `--peer-python` names its
interpreter, by default that of `build/peers`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
PEER = "python-statemachine==3.2.2"
RATIO_MIN = 50
ROUNDS = 5
OURS_STEPS = 200_000
PEER_STEPS = 2_000
CLAIMED = ("flat", "parallel")
LARGE = 9
_INSTALL = f"""the peer is not installed in {{python}}; to have it measured:
    python -m venv build/peers && build/peers/bin/python -m pip install {PEER}"""


def ours() -> dict[str, float]:
    """Measure ours: microseconds a step, by kind of chart."""
    from tipman.statecharts import Event, compile_chart, start, step  # noqa: PLC0415 - the peer's side has not got it

    flat = {
        "green": {"on": {"go": "yellow"}},
        "yellow": {"on": {"go": "red"}},
        "red": {"on": {"go": "green"}},
    }
    region = {"states": {"a": {"on": {"go": "b"}}, "b": {"on": {"go": "a"}}}}
    both = {"both": {"type": "parallel", "states": {"left": region, "right": region}}}
    guarded = {
        "a": {"on": {"go": [{"guard": "event.data.n > 9", "target": "c"}, {"target": "b"}]}},
        "b": {"on": {"go": [{"guard": "event.data.n > 9", "target": "c"}, {"target": "a"}]}},
        "c": {},
    }

    def timed(states: object, event: Event, **options: int) -> float:
        chart = compile_chart({"states": states}, **options)
        snapshot = start(chart).snapshot
        steps = OURS_STEPS if not options else PEER_STEPS
        begun = perf_counter()
        for _ in range(steps):
            snapshot = step(chart, snapshot, event).snapshot
        spent = perf_counter() - begun
        assert snapshot is not None
        return spent / steps * 1e6

    return {
        "flat": timed(flat, Event("go")),
        "parallel": timed(both, Event("go")),
        "guarded": timed(guarded, Event("go", {"n": 1})),
        "flat, nothing remembered": timed(flat, Event("go"), memo_max=0),
        "parallel, nothing remembered": timed(both, Event("go"), memo_max=0),
    }


def peer() -> dict[str, float]:
    """Measure the peer on the same charts."""
    from statemachine import State, StateChart  # noqa: PLC0415 - our side has not got it

    class Flat(StateChart):
        green = State(initial=True)
        yellow = State()
        red = State()
        go = green.to(yellow) | yellow.to(red) | red.to(green)

    class Both(StateChart):
        class both(State.Parallel):  # noqa: N801 - the class is a state, and its name is shown
            class left(State.Compound):  # noqa: N801 - as above
                a = State(initial=True)
                b = State()
                go = a.to(b) | b.to(a)

            class right(State.Compound):  # noqa: N801 - as above
                c = State(initial=True)
                d = State()
                go = c.to(d) | d.to(c)

    class Guarded(StateChart):
        a = State(initial=True)
        b = State()
        c = State(final=True)
        go = a.to(c, cond="large") | a.to(b) | b.to(c, cond="large") | b.to(a)

        def large(self, n: int = 0) -> bool:
            return n > LARGE

    def timed(machine: StateChart, **data: int) -> float:
        send: Callable[..., object] = machine.send
        begun = perf_counter()
        for _ in range(PEER_STEPS):
            send("go", **data)
        return (perf_counter() - begun) / PEER_STEPS * 1e6

    return {"flat": timed(Flat()), "parallel": timed(Both()), "guarded": timed(Guarded(), n=1)}


def main() -> int:
    """Measure both by turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer-python", type=Path, default=ROOT / "build/peers/bin/python")
    parser.add_argument("--measure", choices=("ours", "peer"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(ours() if options.measure == "ours" else peer()))
        return 0
    has_peer = installed(options.peer_python)
    rounds = []
    for number in range(options.rounds):
        read = {"ours": measured(Path(sys.executable), "ours")}
        if has_peer:
            read["peer"] = measured(options.peer_python, "peer")
        rounds.append(read)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    missed = report(rounds)
    if not has_peer:
        print(_INSTALL.format(python=options.peer_python))
    return 1 if missed else 0


def installed(python: Path) -> bool:
    """Whether this interpreter has the peer."""
    if not python.is_file():
        return False
    return (
        subprocess.run(
            [str(python), "-c", "import statemachine"], capture_output=True, check=False
        ).returncode
        == 0
    )


def measured(python: Path, side: str) -> dict[str, float]:
    """Measure one side in a fresh process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "engine")}
    ended = subprocess.run(
        [str(python), __file__, "--measure", side],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    readings: dict[str, float] = json.loads(ended.stdout)
    return readings


def report(rounds: list[dict[str, dict[str, float]]]) -> list[str]:
    """Print a line a chart; return the claims that were missed."""
    missed = []
    print(f"median of {len(rounds)} rounds, µs a step; claim: at least {RATIO_MIN} times")
    for name in rounds[0]["ours"]:
        mine = median(read["ours"][name] for read in rounds)
        line = f"{name:30} ours {mine:8.3f}"
        base = name.partition(",")[0]
        if "peer" in rounds[0]:
            other = median(read["peer"][base] for read in rounds)
            ratio = median(read["peer"][base] / read["ours"][name] for read in rounds)
            line += f"   {PEER} {other:8.2f}   ratio {ratio:6.1f}"
            if name in CLAIMED:
                line += "  ok" if ratio >= RATIO_MIN else "  MISSED"
                missed += [name] if ratio < RATIO_MIN else []
        print(line)
    return missed


if __name__ == "__main__":
    sys.exit(main())
