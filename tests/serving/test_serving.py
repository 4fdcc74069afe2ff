"""A server lives with its engine: it starts, answers, and ends in order."""


def test_what_was_submitted_is_there_after_a_restart(served):
    task = served.submit("exec", "echo tea", key="tea")
    served.wait("tea", "succeeded")

    served.stop()
    served.start()

    assert served.get(task["uri"]).json["state"] == "succeeded"


def test_an_attempt_that_runs_ends_before_the_server(served):
    task = served.submit("sleep", {"duration_s": 0.3})

    served.stop()
    served.start()

    assert served.get(task["uri"]).json["state"] == "succeeded"


def test_asked_twice_the_server_ends_what_runs_and_queues_it_again(served):
    task = served.submit("sleep", {"duration_s": 60})
    served.ask_to_stop()
    served.stop()

    served.start()

    shown = served.get(task["uri"]).json
    assert (shown["state"], shown["attempt"]) == ("running", 2)
    served.ask_to_stop()
