"""The paper's four ecoregions (section III and Table I): defaults, never the only ones allowed."""

import dataclasses

from tsmu_jax.data.statistics import PixelStatistics


@dataclasses.dataclass(frozen=True)
class Ecoregion:
    """An ecoregion of the Commission for Environmental Cooperation, with its row of Table I."""

    key: str  # name of its folder, decoder and metrics
    name: str
    level1: int  # CEC Level I number
    landslide: PixelStatistics
    background: PixelStatistics
    pairs: int


ECOREGIONS: dict[str, Ecoregion] = {
    region.key: region
    for region in (
        Ecoregion(
            key="etf",
            name="Eastern Temperate Forests",
            level1=8,
            landslide=PixelStatistics(mean=0.454, std=0.186, median=0.461),
            background=PixelStatistics(mean=0.306, std=0.142, median=0.295),
            pairs=27,
        ),
        Ecoregion(
            key="mwcf",
            name="Marine West Coast Forest",
            level1=7,
            landslide=PixelStatistics(mean=0.504, std=0.219, median=0.503),
            background=PixelStatistics(mean=0.317, std=0.171, median=0.293),
            pairs=30,
        ),
        Ecoregion(
            key="nad",
            name="North American Deserts",
            level1=10,
            landslide=PixelStatistics(mean=0.597, std=0.176, median=0.624),
            background=PixelStatistics(mean=0.459, std=0.151, median=0.461),
            pairs=39,
        ),
        Ecoregion(
            key="nwfm",
            name="Northwestern Forested Mountains",
            level1=6,
            landslide=PixelStatistics(mean=0.389, std=0.161, median=0.404),
            background=PixelStatistics(mean=0.304, std=0.129, median=0.308),
            pairs=400,
        ),
    )
}
