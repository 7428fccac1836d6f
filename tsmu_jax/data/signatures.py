"""Files that are something else than their names say, told by their first bytes."""

from tsmu_jax.data.bad_file import BadFile

_TEXTS = {  # in lower case
    b"version https://git-lfs.github.com/": "is a Git LFS pointer, not the file itself; get it: git lfs pull",
    b"/annex/objects/": "is a git-annex pointer, not the file itself; get it: git annex get",
    b"<!doctype html": "is a web page, not the file that it is named for; download it again",
    b"<html": "is a web page, not the file that it is named for; download it again",
    b"%pdf-": "is a PDF document; save its picture as PNG",
    b"pk\x03\x04": "is a zip archive; unpack it",
}
_PHOTOS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")  # brands of HEIF


def check(data: bytes, path: str) -> None:
    """Raises BadFile where bytes are empty or plainly no image and no label file. Args: path: named in the error."""
    if not data:
        raise BadFile(path, "is empty; replace the file")
    start = data[:64].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    for text, reason in _TEXTS.items():
        if start.startswith(text):
            raise BadFile(path, reason)
    if data[4:8] == b"ftyp" and data[8:12] in _PHOTOS:
        raise BadFile(path, "is a HEIC photo under another name; save it as PNG or JPEG")
