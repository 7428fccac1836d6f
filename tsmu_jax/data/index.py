"""The files of a folder grouped into image pairs, by their names alone."""

import collections
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from absl import logging

from tsmu_jax import machine
from tsmu_jax.data import alike, draws_file, names
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.source import Footprint

_SAME_CORNER_DEG = 1e-5  # about a metre: pre- and post-event image of a pair show the same ground


@dataclasses.dataclass(frozen=True)
class PairFiles:
    """The files of one pair; of `mask` and `labels` at most one is there, and exactly one where it is labelled."""

    ecoregion: str
    id: str
    post: Path
    pre: Path | None
    mask: Path | None
    labels: Path | None  # LabelMe
    unknown: Path | None  # where nobody can say
    footprint: Footprint | None
    pre_date: str | None
    post_date: str | None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that exist, in a fixed order."""
        return tuple(path for path in (self.pre, self.post, self.mask, self.labels, self.unknown) if path is not None)


_ROLES = {
    "pre": "pre-event image",
    "mask": "mask",
    "labels": "label file",
    "unknown": "mask of unknown ground",
}


def collect(
    directory: Path, ecoregion: str, *, require_pre: bool, require_labels: bool = True
) -> tuple[list[PairFiles], list[BadFile]]:
    """Groups the files of `<directory>/<ecoregion>` into pairs, sorted by id; opens none of them.

    Files under names of neither family are left alone with a warning. What is wrong with names, or missing
    beside them, comes back as one BadFile a pair, its path relative to `directory`. Names that are not UTF-8 are
    bad, since checkpoints, logs and reports cannot hold them; a folder of such a name is one BadFile.

    Args:
      directory: holds the folder.
      ecoregion: name of the folder; "." for `directory` itself.
      require_pre: whether a pair without a pre-event image is bad.
      require_labels: whether a pair without a mask or labels is bad.
    """
    groups: dict[str, alike.Group] = collections.defaultdict(dict)
    bad: dict[str, BadFile] = {}  # by pair, or by file name where even the pair is unclear
    unknown = []
    if not machine.is_utf8(ecoregion):
        return [], [BadFile(machine.printable(ecoregion), "the folder's name is not UTF-8; rename it")]
    for path in sorted((directory / ecoregion).iterdir()):
        relative = where(ecoregion, path)
        if path.name.startswith(".") or path.name == draws_file.NAME or (not path.is_file() and path.exists()):
            continue
        try:
            name = names.parse(path.name)
        except ValueError as error:
            bad[path.name] = BadFile(relative, str(error))
            continue
        if name is None:
            unknown.append(path.name)
        elif not machine.is_utf8(path.name):
            bad.setdefault(name.id, BadFile(relative, "its name is not UTF-8; rename it"))
        elif name.role in groups[name.id]:
            other = groups[name.id][name.role][0].name
            bad[name.id] = BadFile(relative, f"pair {name.id} {alike.second(path.name, other, name.role)}")
        else:
            groups[name.id][name.role] = (path, name)
    if unknown:
        logging.warning(
            "%s: %d files are neither <id>_pre/_post/_mask nor GE_... and are ignored, %s the first",
            ecoregion, len(unknown), unknown[0],
        )  # fmt: skip
    whole = {pair_id: group for pair_id, group in groups.items() if pair_id not in bad}
    pairs = []
    for pair_id in sorted(whole):
        try:
            pairs.append(_pair(ecoregion, pair_id, whole, require_pre, require_labels))
        except BadFile as error:
            bad[pair_id] = error
    return pairs, [bad[key] for key in sorted(bad)]


def where(ecoregion: str, path: Path) -> str:
    """Names a file in a message: the path relative to the directory of all ecoregions, printable."""
    return machine.printable((Path(ecoregion) / path.name).as_posix())


def _pair(
    ecoregion: str, pair_id: str, groups: Mapping[str, alike.Group], require_pre: bool, require_labels: bool
) -> PairFiles:
    group = groups[pair_id]
    pre, post, mask, labels = (group.get(role) for role in ("pre", "post", "mask", "labels"))
    if post is None:
        path = next(iter(group.values()))[0]
        role = _ROLES[next(iter(group))]
        remedy = _in_other_case(pair_id, path, groups, "post") or "add it or remove the file"
        raise BadFile(where(ecoregion, path), f"a {role} without its post-event image; {remedy}")
    file = where(ecoregion, post[0])
    if (mask and labels) or (require_labels and not mask and not labels):
        wanted = f"{post[0].stem}_mask.png" if post[1].corners else f"{pair_id}_mask.png"
        both = "has both a mask and labels, which may disagree; keep one"
        remedy = _in_other_case(pair_id, post[0], groups, "mask", "labels") or "add one"
        neither = f"has neither a mask ({wanted}) nor labels ({post[0].stem}.json); {remedy}"
        raise BadFile(file, neither if mask is None else both)
    if pre is None and require_pre:
        remedy = "add it, or train for post-event images only: --config.data.channels=3"
        remedy = _in_other_case(pair_id, post[0], groups, "pre") or remedy
        raise BadFile(file, f"has no pre-event image; {remedy}")
    try:
        footprint = _footprint(group)
        if post[1].date is not None:
            names.check_dates(pre[1].date if pre else None, post[1].date)
    except ValueError as error:
        raise BadFile(file, str(error)) from None
    return PairFiles(
        ecoregion=ecoregion,
        id=pair_id,
        post=post[0],
        pre=pre[0] if pre else None,
        mask=mask[0] if mask else None,
        labels=labels[0] if labels else None,
        unknown=group["unknown"][0] if "unknown" in group else None,
        footprint=footprint,
        pre_date=pre[1].date if pre else None,
        post_date=post[1].date,
    )


def _in_other_case(pair_id: str, path: Path, groups: Mapping[str, alike.Group], *roles: names.Role) -> str | None:
    """The remedy where a file that a pair lacks is there, its name written in other upper and lower case."""
    other = alike.in_other_case(pair_id, [one for one in groups if not groups[one].keys().isdisjoint(roles)])
    if other is None:
        return None
    missing = next(groups[other][role][0] for role in roles if role in groups[other])
    stray, own = ((missing, other), (path, pair_id)) if "post" not in roles else ((path, pair_id), (missing, other))
    return alike.rename(*stray, *own)


def _footprint(group: alike.Group) -> Footprint | None:
    """The one footprint that all names of a pair agree upon."""
    boxes = {path.name: names.footprint(name.corners) for path, name in group.values() if name.corners}
    if not boxes:
        return None
    post = boxes.get(group["post"][0].name)
    for name, box in boxes.items():
        if post is None or any(abs(a - b) > _SAME_CORNER_DEG for a, b in zip(box, post, strict=True)):
            raise ValueError(f"its corners are not those of {name}, a file of the same pair; mend one of the names")
    return post
