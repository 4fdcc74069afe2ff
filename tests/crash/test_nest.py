"""The nest: whatever it starts, and whatever becomes of it, nobody waits for ever."""

import os
import signal

import pytest
from crash.clients import Connection
from crash.driver import Orders
from crash.nest import Nest, StuckError

SOON_S = 0.5


def test_a_child_that_does_not_end_is_aborted_and_says_where_it_stood(tmp_path):
    nest = Nest()
    nest.start(Orders(str(tmp_path)))
    nest.patience_s = SOON_S
    with Connection(tmp_path / "socket") as connection:
        connection.ask("failure")

        status = nest.bury()

    nest.close()
    assert status == -signal.SIGABRT
    log = (tmp_path / "driver.log").read_text()
    assert "Fatal Python error: Aborted" in log
    assert "in serve" in log


def test_a_nest_that_answers_no_more_is_given_up(tmp_path):
    nest = Nest(patience_s=SOON_S)
    process = nest._process
    os.kill(process.pid, signal.SIGSTOP)

    with pytest.raises(StuckError, match="no child was started"):
        nest.start(Orders(str(tmp_path)))

    assert process.returncode == -signal.SIGKILL
    nest.close()
