"""The one exception for everything that a user can mend."""


class UserError(Exception):
    """Wrong input: the message names the file, field or flag, and the remedy, on one line.

    Entry points print it without a traceback and exit with code 2 (`tsmu_jax.cli`).
    """
