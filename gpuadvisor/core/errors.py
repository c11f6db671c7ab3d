"""The two errors that code above may expect. Anything else is a bug and is left to rise."""


class DomainError(Exception):
    """A rule said no. `user_message` is shown to the user as it is."""

    def __init__(self, user_message: str, code: str = "invalid") -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.code = code


class TransientError(Exception):
    """Something outside failed for now: try again."""
