"""Palettes, land cover and landslides of the four synthetic ecoregions.

Each has look-alikes with the tone of another one's landslides (fresh clear-cuts, building sites, washes,
snow), so what a model learnt in three of them misleads it in the fourth. Colours are relative: the tone curve
sets the brightness.
"""

import dataclasses

from tsmu_jax.data.synthetic.cover import (
    NEW,
    WINTER,
    Colour,
    Layer,
    blocks,
    everywhere,
    fields,
    heights,
    patches,
    road,
    valleys,
)
from tsmu_jax.data.synthetic.slides import SlideShape


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the pictures of one ecoregion are made."""

    relief: float  # mean slope
    dissection: float  # share of small gullies
    layers: tuple[Layer, ...]
    slides: SlideShape
    soil: tuple[Colour, Colour]  # of the landslides, mixed along the streaks
    debris: float  # contrast of boulders and torn vegetation inside the landslides


def _bared(share: float, colours: tuple[Colour, Colour]) -> Layer:
    """Ground laid bare between the two dates by something else than a landslide, on `share` of an image."""
    return Layer(patches(share, 6.0), colours, canopy=0.8, grain=0.2, when=NEW, chance=0.85)


RECIPES: dict[str, Recipe] = {
    # Leafy hills with pastures, roads and building sites; narrow flows of reddish soil.
    "etf": Recipe(
        relief=0.32,
        dissection=0.25,
        layers=(
            Layer(everywhere(), ((0.20, 0.31, 0.15), (0.34, 0.29, 0.20)), season=0.55, canopy=2.0, grain=0.16),
            Layer(patches(0.25), ((0.28, 0.40, 0.18), (0.36, 0.34, 0.22)), season=0.4, canopy=1.6, grain=0.14),
            Layer(
                fields(0.8, (0.07, 0.16), 0.36),
                ((0.38, 0.46, 0.24), (0.50, 0.46, 0.30)),
                season=0.5,
                grain=0.05,
            ),
            Layer(fields(0.4, (0.07, 0.16), 0.32), ((0.52, 0.48, 0.32), (0.44, 0.40, 0.28)), grain=0.05),
            Layer(valleys(0.10), ((0.22, 0.27, 0.25), (0.30, 0.32, 0.27)), grain=0.05, chance=0.5),
            Layer(road(0.012, 1.0), ((0.52, 0.51, 0.50), (0.58, 0.57, 0.55)), grain=0.05, chance=0.8),
            Layer(road(0.014, 0.3), ((0.56, 0.54, 0.52), (0.60, 0.58, 0.56)), grain=0.05, when=NEW, chance=0.4),
            Layer(
                blocks((1, 3), (0.04, 0.13)),
                ((0.60, 0.56, 0.50), (0.66, 0.63, 0.58)),
                grain=0.06,
                when=NEW,
                chance=0.7,
            ),
            _bared(0.12, ((0.50, 0.40, 0.28), (0.42, 0.34, 0.24))),
            Layer(blocks((2, 6), (0.012, 0.035)), ((0.66, 0.66, 0.66), (0.55, 0.50, 0.48)), chance=0.6),
        ),
        slides=SlideShape(area=(0.035, 0.09), numbers=(1, 4), aspect=(2.6, 4.5), spread=(0.7, 1.5), roughness=0.22),
        soil=((0.58, 0.43, 0.31), (0.75, 0.60, 0.46)),
        debris=0.22,
    ),
    # Dark wet conifers, clear-cuts old and new, rivers; large pale slumps of strong contrast.
    "mwcf": Recipe(
        relief=0.45,
        dissection=0.35,
        layers=(
            Layer(everywhere(), ((0.14, 0.20, 0.135), (0.18, 0.235, 0.155)), season=-0.2, canopy=3.2, grain=0.22),
            Layer(patches(0.3), ((0.20, 0.28, 0.17), (0.25, 0.31, 0.20)), season=0.2, canopy=1.6, grain=0.15),
            Layer(
                blocks((1, 3), (0.12, 0.3)),
                ((0.26, 0.34, 0.21), (0.34, 0.37, 0.25)),
                canopy=0.8,
                grain=0.12,
                chance=0.8,
            ),
            Layer(patches(0.1), ((0.34, 0.38, 0.26), (0.38, 0.39, 0.28)), canopy=0.5, grain=0.08, chance=0.6),
            Layer(valleys(0.22), ((0.20, 0.26, 0.25), (0.26, 0.31, 0.28)), grain=0.04, chance=0.7),
            Layer(road(0.010, 1.0), ((0.50, 0.46, 0.40), (0.54, 0.50, 0.44)), grain=0.08, chance=0.8),
            _bared(0.20, ((0.58, 0.44, 0.32), (0.70, 0.56, 0.43))),
        ),
        slides=SlideShape(area=(0.045, 0.11), numbers=(1, 3), aspect=(1.5, 3.0), spread=(0.8, 1.7), roughness=0.16),
        soil=((0.50, 0.46, 0.38), (0.78, 0.72, 0.62)),
        debris=0.35,
    ),
    # Bare hills, shrubs, badlands and dry washes; broad slumps, bright on bright.
    "nad": Recipe(
        relief=0.38,
        dissection=0.8,
        layers=(
            Layer(everywhere(), ((0.56, 0.43, 0.31), (0.62, 0.50, 0.38)), canopy=0.5, grain=0.06),
            Layer(patches(0.35, 1.5), ((0.50, 0.35, 0.26), (0.56, 0.40, 0.28)), canopy=0.5, grain=0.08),
            Layer(patches(0.25, 2.0, "medium"), ((0.46, 0.41, 0.29), (0.42, 0.40, 0.28)), canopy=0.9, grain=0.15),
            Layer(patches(0.14, 2.0, "fine"), ((0.32, 0.33, 0.22), (0.36, 0.36, 0.25)), season=0.2, canopy=1.5),
            Layer(heights(0.16), ((0.62, 0.46, 0.36), (0.50, 0.36, 0.28)), canopy=2.4, grain=0.18, chance=0.8),
            Layer(
                patches(0.08, 3.0),
                ((0.74, 0.68, 0.60), (0.68, 0.60, 0.50)),
                canopy=0.8,
                grain=0.08,
                chance=0.7,
            ),
            Layer(valleys(0.16), ((0.72, 0.62, 0.50), (0.66, 0.56, 0.44)), grain=0.05),
            Layer(valleys(0.30), ((0.76, 0.68, 0.57), (0.68, 0.60, 0.50)), grain=0.05, when=NEW, chance=0.8),
            _bared(0.11, ((0.72, 0.62, 0.49), (0.66, 0.55, 0.43))),
            Layer(road(0.010, 0.5), ((0.68, 0.58, 0.47), (0.64, 0.54, 0.44)), grain=0.04, chance=0.6),
            Layer(patches(0.04, 3.0), ((0.40, 0.38, 0.36), (0.34, 0.33, 0.31)), grain=0.1, when=NEW, chance=0.5),
        ),
        slides=SlideShape(area=(0.04, 0.105), numbers=(1, 2), aspect=(0.9, 1.9), spread=(1.0, 1.7), roughness=0.10),
        soil=((0.56, 0.43, 0.31), (0.78, 0.64, 0.50)),
        debris=0.28,
    ),
    # Grey-green conifers, meadows, rock and snow; long dull scars that are hardly brighter than the forest.
    "nwfm": Recipe(
        relief=0.6,
        dissection=0.45,
        layers=(
            Layer(everywhere(), ((0.24, 0.30, 0.22), (0.29, 0.32, 0.25)), season=0.2, canopy=2.6, grain=0.2),
            Layer(patches(0.3), ((0.34, 0.36, 0.24), (0.40, 0.37, 0.26)), season=0.5, canopy=0.8, grain=0.1),
            Layer(heights(0.2), ((0.42, 0.41, 0.40), (0.48, 0.47, 0.46)), canopy=2.4, grain=0.14, chance=0.8),
            Layer(
                blocks((1, 2), (0.12, 0.26)),
                ((0.36, 0.38, 0.25), (0.40, 0.38, 0.28)),
                canopy=0.5,
                grain=0.1,
                chance=0.5,
            ),
            Layer(valleys(0.12), ((0.28, 0.33, 0.35), (0.38, 0.41, 0.42)), grain=0.05, chance=0.6),
            Layer(road(0.009, 1.0), ((0.50, 0.47, 0.42), (0.54, 0.50, 0.46)), grain=0.05, chance=0.5),
            Layer(
                blocks((1, 3), (0.10, 0.22)),
                ((0.54, 0.46, 0.32), (0.60, 0.50, 0.36)),
                grain=0.18,
                when=NEW,
                chance=0.85,
            ),
            Layer(heights(0.14), ((0.85, 0.88, 0.94), (0.95, 0.97, 1.0)), grain=0.03, when=WINTER, chance=0.8),
            Layer(patches(0.06, 3.0, "medium"), ((0.80, 0.84, 0.90), (0.95, 0.97, 1.0)), when=WINTER, chance=0.5),
        ),
        slides=SlideShape(area=(0.04, 0.09), numbers=(1, 4), aspect=(2.0, 3.8), spread=(0.8, 1.8), roughness=0.2),
        soil=((0.36, 0.31, 0.26), (0.52, 0.45, 0.38)),
        debris=0.25,
    ),
}
