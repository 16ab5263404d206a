"""What can't be done."""


class Problem(Exception):
    """What can't be done, in words for the operator."""
