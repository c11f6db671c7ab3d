"""What stops a start, said in one sentence."""


class Refused(Exception):
    """A start that cannot go on; its text is one sentence for the person at the terminal."""
