"""An engine that will be killed: starts trees, says so, and holds on."""

import os
import sys
import threading
from pathlib import Path

sys.path[:0] = sys.argv[1].split(os.pathsep)

from executors.house import House  # noqa: E402 - found only by the path that was given

house = House(Path(sys.argv[2]))
lines = sys.argv[3:]
efforts = [house.begin("exec", line) for line in lines]
up = threading.Event()
while not all(house.output(effort) for effort in efforts):
    up.wait(0.005)
if os.fork() == 0:
    # A fork holds every descriptor of the engine open; it must not keep its tasks alive.
    sys.stdin.read()
    os._exit(0)
sys.stdout.write("up\n")
sys.stdout.flush()
sys.stdin.read()
