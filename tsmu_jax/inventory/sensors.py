"""Which sensors took the images of a scene: as the user or a list says, in free text."""

from typing import NamedTuple

from tsmu_jax.errors import UserError

LONGEST = 200  # characters


class Sensors(NamedTuple):
    """Of a scene's images, as "Sentinel-2B MSI"; None where not known."""

    pre: str | None = None
    post: str | None = None


UNNAMED = Sensors()


def read(pre_sensor: str | None, post_sensor: str | None, *, has_pre: bool) -> Sensors:
    """The sensors of a scene, without needless spaces.

    Args: has_pre: whether there is an image before the event.

    Raises:
      UserError: a text is too long or cannot be printed, or it tells of an image that there is not.
    """
    if pre_sensor and not has_pre:
        raise UserError("--pre_sensor: there is no image before the event; leave it out, or name that image")
    return Sensors(_plain("pre_sensor", pre_sensor), _plain("post_sensor", post_sensor))


def _plain(flag: str, text: str | None) -> str | None:
    plain = " ".join((text or "").split())
    if len(plain) > LONGEST or not plain.isprintable():
        raise UserError(f"--{flag}={plain!r:.60}: is no name of a sensor; give up to {LONGEST} printable characters")
    return plain or None
