"""Waiting for what a server's engine has committed, without asking it again and again."""

from contextlib import contextmanager
from queue import Empty, SimpleQueue

PATIENCE_S = 30


@contextmanager
def commits(served):
    """Lend a function that waits until something is so, looked at after every commit."""
    news = SimpleQueue()
    served.engine.listen(news.put)

    def until(found):
        while not (value := found()):
            try:
                news.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError("nothing happens any more") from None
        return value

    try:
        yield until
    finally:
        served.engine.unlisten(news.put)
