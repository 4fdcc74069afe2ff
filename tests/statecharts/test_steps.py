"""The purchase chart of the contract, step by step."""

from tipman.statecharts import Event, compile_chart, decode, encode, start, step

PURCHASE = {
    "chart": "purchase",
    "data": {"amount": 0, "tries": 0},
    "initial": "draft",
    "states": {
        "draft": {
            "on": {
                "SUBMIT": {
                    "target": "review",
                    "actions": [{"assign": {"amount": "event.data.amount"}}],
                }
            }
        },
        "review": {
            "type": "parallel",
            "on": {"CANCEL": "cancelled"},
            "onDone": "paid",
            "states": {
                "legal": {
                    "initial": "reading",
                    "states": {"reading": {"on": {"OK": "agreed"}}, "agreed": {"type": "final"}},
                },
                "finance": {
                    "initial": "checking",
                    "states": {
                        "checking": {
                            "always": {"guard": "amount < 1000", "target": "agreed"},
                            "on": {"OK": "agreed"},
                        },
                        "agreed": {"type": "final"},
                    },
                },
            },
        },
        "paid": {"type": "final"},
        "cancelled": {"type": "final"},
    },
}


def test_small_amounts_need_legal_only():
    chart = compile_chart(PURCHASE)
    first = start(chart).snapshot

    submitted = step(chart, first, Event("SUBMIT", {"amount": 5})).snapshot
    agreed = step(chart, decode(chart, encode(chart, submitted)), "OK").snapshot

    assert chart.configuration(submitted) == "review.legal.reading review.finance.agreed"
    assert agreed.done == ("paid", None)


def test_an_event_nothing_answers_to_gives_the_very_same_snapshot():
    chart = compile_chart(PURCHASE)
    first = start(chart).snapshot

    after = step(chart, first, "OK")

    assert after.snapshot is first
    assert after.effects == ()
