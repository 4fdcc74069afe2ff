"""Runs the benchmarks: ours and the peers by turns, then a table of what became of the claims.

`python benchmarks/run.py` takes some minutes and exits 1 when a claim was missed. `--quick` only
shows that everything runs: its figures come from too little work to be judged.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import environments
from claims import CLAIMS, RUNS, Finding, Run
from metering import fdatasync_us
from servers import PROGRAM

ROUNDS = 3
QUICK_SHARE = 20
QUICK_SCALE_S = 1.0
SCALE_S = 10.0
_HERE = Path(__file__).resolve().parent
_DATA = environments.BUILD / "bench-data"
_TIMEOUT_S = 600
_PROBE = "machine"
_ONCE = ("--rounds", "1")
_THOUSAND = 1000

Line = Mapping[str, Any]
Round = Mapping[str, Line]


def main() -> int:
    """Run all that was asked for; return 1 when a claim was missed."""
    options = _options()
    pythons = {"ours": environments.ours(), "peers": environments.peers()}
    _DATA.mkdir(parents=True, exist_ok=True)
    runs = [run for run in RUNS if options.only in run.name and _can_run(run)]
    share = QUICK_SHARE if options.quick else 1
    rounds = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        rounds.append(one_round(runs, pythons, share=share))
    names = {run.name for run in runs}
    findings = [
        claim.judge(rounds)
        for claim in CLAIMS
        if claim.ours in names and (claim.peer is None or claim.peer in names)
    ]
    print(surroundings(rounds), durabilities(rounds), table(findings), sep="\n\n")
    print(flush=True)
    if options.json is not None:
        options.json.write_text(_report(rounds, findings), encoding="utf-8")
    holds = all(finding.holds for finding in findings)
    if not options.only:
        holds = _others(pythons, quick=options.quick) and holds
    return 0 if holds or options.quick else 1


def _can_run(run: Run) -> bool:
    """Tell whether what it measures is there; say so when it is not."""
    if "program" not in run.command() or PROGRAM.exists():
        return True
    print(f"{run.name} is left out: `make binary` makes {PROGRAM}", file=sys.stderr)
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="one small round, not judged")
    parser.add_argument("--only", default="", metavar="WORD", help="runs with WORD in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all readings there")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else ROUNDS)
    return options


def one_round(runs: Sequence[Run], pythons: Mapping[str, Path], *, share: int) -> Round:
    """Run each once, by turns, one *share*-th of it; return what they read, by name."""
    probe = {"fdatasync_us": fdatasync_us(_DATA), "load": os.getloadavg()[0]}
    read: dict[str, Line] = {_PROBE: probe}
    for run in runs:
        python = pythons["peers" if run.module.startswith("peers.") else "ours"]
        read[run.name] = _child([str(python), *run.command(share=share), "--data", str(_DATA)])
        print(f"  {run.name}: {_short(read[run.name])}", file=sys.stderr, flush=True)
    return read


def _child(command: Sequence[str]) -> Line:
    """Return the JSON line that a child prints last.

    Raises:
        SystemExit: it failed; what it had to say has been printed.
    """
    ended = subprocess.run(
        command, cwd=_HERE, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT_S, check=False
    )
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or not lines:
        print(ended.stdout, file=sys.stderr)
        sys.exit(f"{' '.join(command)} failed with exit code {ended.returncode}")
    line: Line = json.loads(lines[-1])
    return line


def _short(line: Line) -> str:
    words = (
        "requests_per_s",
        "start_s",
        "post_per_s",
        "list_p50_ms",
        "tasks_per_s",
        "cpu_us_per_task",
        "latency_p50_ms",
        "submit_s",
        "follow_p99_ms",
        "fired_per_s",
        "cpu_us_per_firing",
        "late_p99_ms",
        "ready_s",
        "kib_per_schedule",
        "idle_cpu_share",
        "rss_mib",
    )
    return ", ".join(f"{word} {line[word]:,.4g}" for word in words if word in line)


def surroundings(rounds: Sequence[Round]) -> str:
    """Return on what all this was measured."""
    probe = median(read[_PROBE]["fdatasync_us"] for read in rounds)
    load = median(read[_PROBE]["load"] for read in rounds)
    return (
        f"{len(rounds)} rounds on {os.cpu_count()} CPUs, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}, SQLite"
        f" {sqlite3.sqlite_version}; one fdatasync {probe:.0f} µs, load {load:.1f} before a round"
    )


def durabilities(rounds: Sequence[Round]) -> str:
    """Return the settings that were in force, as each connection told itself."""
    found = {
        (line["peer"], line["version"], line["durability"])
        for read in rounds
        for line in read.values()
        if "durability" in line
    }
    return "\n".join(
        f"{peer} {version}: journal_mode/synchronous = {in_force}"
        for peer, version, in_force in sorted(found)
    )


def table(findings: Sequence[Finding]) -> str:
    """Return the claims as lines; a ratio is the median of the rounds' own ratios."""
    lines = [("claim", "ours", "peer", "ratio", "limit", "")]
    for finding in findings:
        claim, peer = finding.claim, finding.peer
        lines.append(
            (
                claim.text,
                _figure(finding.ours),
                "" if peer is None else f"{claim.peer} {_figure(peer)}",
                "" if peer is None else f"{finding.value:.2f}",
                f"{claim.bound.value} {claim.limit:g}",
                "ok" if finding.holds else "MISSED",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in {0, 2} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.3g}"


def _others(pythons: Mapping[str, Path], *, quick: bool) -> bool:
    """Run what has a table of its own; return whether all of it holds."""
    scale_s = QUICK_SCALE_S if quick else SCALE_S
    holds = True
    for words in (
        ["wfinstances.py", "--scale-s", str(scale_s), "--data", str(_DATA)],
        ["statecharts.py", "--peer-python", str(pythons["peers"]), *(_ONCE if quick else ())],
    ):
        ended = subprocess.run([str(pythons["ours"]), *words], cwd=_HERE, check=False)
        print(flush=True)
        holds = holds and ended.returncode == 0
    return holds


def _report(rounds: Sequence[Round], findings: Sequence[Finding]) -> str:
    claims = [
        {
            "claim": finding.claim.text,
            "ours": finding.ours,
            "peer": finding.peer,
            "value": finding.value,
            "limit": finding.claim.limit,
            "holds": finding.holds,
        }
        for finding in findings
    ]
    return json.dumps({"claims": claims, "rounds": rounds}, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
