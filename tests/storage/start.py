"""A process that starts an engine on a database, says how that went, and ends with its input.

Written to standard output: `epoch N`, or the code of the error and the pid that it names.
"""

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tipman.errors import EngineRunningError
from tipman.runtime import Engine

say = partial(print, flush=True)


def main(url):
    with TemporaryDirectory() as home:
        engine = Engine(url, home=Path(home))
        # All start at once: each says that it is ready, then waits for the word.
        say("ready", flush=True)
        sys.stdin.readline()
        try:
            engine.start()
        except EngineRunningError as error:
            say(error.code, error.pid, flush=True)
            return
        say("epoch", engine.epoch, flush=True)
        sys.stdin.read()
        engine.close()


if __name__ == "__main__":
    main(sys.argv[1])
