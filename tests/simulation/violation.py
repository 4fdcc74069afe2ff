"""What a simulation raises when a promise was broken."""


class ViolationError(AssertionError):
    """A promise that was not kept; the message says which."""
