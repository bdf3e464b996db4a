"""The one error that means: the user's input is at fault, and the message says how to mend it."""


class InputError(ValueError):
    """A file or setting of the user's is missing, malformed or contradictory (exit status 2).

    The message names the file or setting, the value received and what is accepted.
    """
