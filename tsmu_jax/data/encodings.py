"""JSON files in any encoding: editors on Windows save text in the encoding of the system's language."""

from collections.abc import Callable
from typing import Any, TypeVar

from tsmu_jax import untrusted
from tsmu_jax.data.bad_file import BadFile

_CANDIDATES = ("gb18030", "big5", "shift_jis", "euc_kr", "cp1251", "cp1252")  # besides UTF-8, -16 and -32
T = TypeVar("T")


def parsed(data: bytes, parse: Callable[[Any], T], *, fits: Callable[[T], bool], path: str) -> T:
    """Parses a JSON file, in another encoding than UTF-8 only where no other reading of it makes sense.

    Args:
      data: the file's bytes.
      parse: makes a value of the JSON; raises BadFile where it makes no sense.
      fits: whether a value belongs to the file.
      path: named in errors.

    Raises:
      BadFile: of `parse`; or not JSON; or of an encoding that is not clear.
    """
    try:
        content = untrusted.parse(data, finite=False)
    except UnicodeDecodeError:
        return _parsed_in_another(data, parse, fits, path)
    except ValueError as error:
        raise BadFile(path, f"not JSON ({error}); save it again with LabelMe") from None
    return parse(content)


def _parsed_in_another(data: bytes, parse: Callable[[Any], T], fits: Callable[[T], bool], path: str) -> T:
    found: list[T] = []
    refused: list[str] = []
    for encoding in _CANDIDATES:
        try:
            content = untrusted.parse(data.decode(encoding), finite=False)
        except ValueError:
            continue
        try:
            value = parse(content)
        except BadFile as error:
            refused.append(f"{error.reason} [read as {encoding}]")
            continue
        if fits(value) and value not in found:
            found.append(value)
    if len(found) == 1:
        return found[0]
    convert = f"iconv -f ENCODING -t UTF-8 {path} > converted.json, and put that in its place"
    if refused and not found:
        raise BadFile(path, f"not UTF-8; {refused[0]}; where it has another encoding convert it: {convert}")
    raise BadFile(path, f"not JSON in UTF-8, and its encoding is not clear; convert it: {convert}")
