"""A file that cannot be used: the unit that `on_bad_file="skip"` leaves out."""

from tsmu_jax.errors import UserError


class BadFile(UserError):
    """One unusable file; reads as "etf/0012_post.json: polygon 3 has 2 points; a polygon needs 3"."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path  # relative to the directory that was read
        self.reason = reason


class DeepFile(BadFile):
    """An image of more than 8 bits a channel whose range of values nobody stated."""
