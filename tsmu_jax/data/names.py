"""Names of files: the pair that a file belongs to, its role, and in the paper's names its place and date.

Two families are known. Ours: `<id>_pre`, `<id>_post`, `<id>_mask` (png, jpg, jpeg, tif, tiff, bmp) and
LabelMe's `<id>_post.json`; `<id>_unknown` marks unknown ground. The paper's:
`GE_<LLlat>_<LLlon>_<URlat>_<URlon>_LS_<id>_US_<yyyymmdd>_{PRE|POST}.jpg`, whose lower-left and upper-right
corners georeference the image; labels are `<same stem>.json` or `<same stem>_mask.png` of the post-event
image, unknown ground `<same stem>_unknown.png`. Upper and lower case are alike, and so are accents that are a
part of their letter and those that follow it.
"""

import datetime
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tsmu_jax.data.source import Footprint

Role = Literal["pre", "post", "mask", "labels", "unknown"]

_IMAGE = r"(?:png|jpe?g|tiff?|bmp)"
_OURS = re.compile(
    rf"(?P<id>.+)_(?:(?P<pre>pre\.{_IMAGE})|(?P<post>post\.{_IMAGE})|(?P<mask>mask\.{_IMAGE})"
    rf"|(?P<labels>post\.json)|(?P<unknown>unknown\.{_IMAGE}))",
    re.IGNORECASE,
)
_AUTHORS = re.compile(
    r"GE_(?P<corners>[^_]+_[^_]+_[^_]+_[^_]+)_LS_(?P<id>.+)_US_(?P<date>[^_]+)_"
    rf"(?:(?P<pre>pre\.{_IMAGE})|(?P<post>post\.{_IMAGE})|(?P<mask>post_mask\.{_IMAGE})"
    rf"|(?P<labels>post\.json)|(?P<unknown>post_unknown\.{_IMAGE}))",
    re.IGNORECASE,
)
_AUTHORS_PREFIX = re.compile(r"GE_.*_LS_", re.IGNORECASE)


class FileName(NamedTuple):
    """The parts of a recognised name; corners and date are as written, not yet checked."""

    id: str
    role: Role
    corners: tuple[str, ...] = ()  # LL lat, LL lon, UR lat, UR lon; empty in our own names
    date: str | None = None  # yyyymmdd


def parse(name: str) -> FileName | None:
    """Reads one file name (no folder); None where it is none of ours.

    Raises:
      ValueError: the name starts like one of the paper's but does not go on like one.
    """
    name = unicodedata.normalize("NFC", name)
    if match := _AUTHORS.fullmatch(name):
        return FileName(match["id"], _role(match), tuple(match["corners"].split("_")), match["date"])
    if _AUTHORS_PREFIX.match(name) and re.search(rf"\.(?:{_IMAGE}|json)$", name, re.IGNORECASE):
        raise ValueError(
            "not GE_<LLlat>_<LLlon>_<URlat>_<URlon>_LS_<id>_US_<yyyymmdd>_PRE.jpg, _POST.jpg or "
            "_POST_unknown.png; rename it"
        )
    if match := _OURS.fullmatch(name):
        return FileName(match["id"], _role(match))
    return None


def footprint(corners: Sequence[str]) -> Footprint:
    """The box between a lower-left and an upper-right corner (lat, lon, lat, lon; WGS84 degrees).

    Raises:
      ValueError: not numbers, outside of the globe, or a lower-left corner that is not below and left of
        the other one (rows 173, 334 and 491 of the paper's inventory have their latitudes swapped).
    """
    try:
        lat_min, lon_min, lat_max, lon_max = (float(corner) for corner in corners)
    except ValueError:
        raise ValueError(f"the corners {' '.join(corners)} are not four numbers; mend the name") from None
    if not (-90 <= lat_min <= 90 and -90 <= lat_max <= 90):
        raise ValueError(f"a latitude of {lat_min} to {lat_max} is not within -90 to 90; mend the name")
    if not (-180 <= lon_min <= 180 and -180 <= lon_max <= 180):
        raise ValueError(f"a longitude of {lon_min} to {lon_max} is not within -180 to 180; mend the name")
    if lat_min >= lat_max:
        raise ValueError(
            f"latitude {lat_min} of the lower-left corner is not below {lat_max} (swapped?); mend the name"
        )
    if lon_min >= lon_max:
        raise ValueError(
            f"longitude {lon_min} of the lower-left corner is not west of {lon_max} (swapped?); mend the name"
        )
    return Footprint(lon_min, lat_min, lon_max, lat_max)


def check_dates(pre: str | None, post: str) -> None:
    """Checks that dates (yyyymmdd) exist and that the pre-event image is the older one.

    Raises:
      ValueError: naming the date and the remedy.
    """
    for date in (pre, post):
        if date is not None and not _is_date(date):
            raise ValueError(f"{date} is not a date (yyyymmdd); mend the name")
    if pre is not None and pre >= post:
        relation = "the same date as" if pre == post else "a later date than"
        raise ValueError(f"the pre-event image ({pre}) has {relation} the post-event image ({post}); mend the name")


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        return False
    try:
        datetime.datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def _role(match: re.Match[str]) -> Role:
    roles: tuple[Role, ...] = ("pre", "post", "mask", "labels", "unknown")
    return next(role for role in roles if match[role])
