"""Small copies of a run's test images, and their pixel histograms: what a report shows without the data set."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tsmu_jax.data.pair_lists import PairList
from tsmu_jax.data.statistics import PixelAccumulator

FOLDER = "tests"
HISTOGRAMS = "histograms.json"
SIDE = 256  # px, the longer side at most
QUALITY = 85  # of JPEG
MARKED = 128  # the stored value of unknown ground
_STORED = np.array([0, 255, MARKED], np.uint8)  # of the values in mask.py


def write_thumbnails(tests: Mapping[str, PairList], workdir: Path) -> None:
    """Writes `tests/<ecoregion>/<id>_{pre,post}.jpg` and `_mask.png`, and `tests/histograms.json`.

    Images keep their shape, at most 256 px a side. Masks are 0, 255 for landslide and 128 for unknown ground. The
    histograms are of the original pixels of post-event images, without unknown ground:
    {ecoregion: {"pairs": n, "landslide": [256 counts], "background": [256 counts]}}, all channels pooled.

    Args:
      tests: test pairs of each ecoregion.
    """
    histograms = {}
    for name, pairs in tests.items():
        folder = workdir / FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        statistics = PixelAccumulator()
        for position, identity in enumerate(pairs.ids):
            pair = pairs[position]
            statistics.add(pair)
            for date, image in (("pre", pair.pre), ("post", pair.post)):
                if image is not None:
                    _small(image, Image.Resampling.BOX).save(folder / f"{identity}_{date}.jpg", quality=QUALITY)
            mask = _small(_STORED[pair.mask], Image.Resampling.NEAREST)
            mask.save(folder / f"{identity}_mask.png")
        result = statistics.result()
        histograms[name] = {
            "pairs": result.pairs,
            "landslide": result.landslide_counts.tolist(),
            "background": result.background_counts.tolist(),
        }
    (workdir / FOLDER / HISTOGRAMS).write_text(json.dumps(histograms))


def _small(array: np.ndarray, how: Image.Resampling) -> Image.Image:
    image = Image.fromarray(array)
    image.thumbnail((SIDE, SIDE), how)
    return image
