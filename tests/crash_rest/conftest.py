"""What is built for the tests of the program is killed here."""

from binary.conftest import built

__all__ = ["built"]
