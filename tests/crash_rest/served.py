"""What a server under test is told to import: its tasks, and the places where it is to die.

The orders stand in its environment; without any it is left as it is, but for the tasks.
"""

import json
import os
from pathlib import Path

from crash.aims import Aim, after, before
from crash.driver import VARIABLE, Orders, prepare
from crash.tasks import register
from tipman.executors.functions import TASKS
from tipman.runtime import Engine
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def _obey(orders):
    aim = Aim(orders.aim, orders.nth)
    prepare(orders, aim)
    aim.enter("boot")
    after(Engine, "start", lambda: aim.enter("life"))
    before(Engine, "close", lambda: aim.enter("close"))
    plain = RequestResponseCycle.send

    async def send(self, message):
        await plain(self, message)
        if message["type"] == "http.response.body":
            aim.passed("acknowledged")

    RequestResponseCycle.send = send


register(TASKS, Path.cwd())
if VARIABLE in os.environ:
    _obey(Orders(**json.loads(os.environ[VARIABLE])))
