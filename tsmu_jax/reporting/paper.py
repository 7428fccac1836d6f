"""The paper's own numbers (section VI), to stand beside what was measured: data, no code. Scores are mean IoU."""

from typing import NamedTuple

# The ecoregions in the order of the paper's rows; each is held out once, with the other three trained on first.
ECOREGIONS = ("nwfm", "etf", "mwcf", "nad")


class Pair(NamedTuple):
    """Mean IoU of the old and of the new ecoregions; None where nothing is printed."""

    old_iou: float | None
    new_iou: float | None


class UpdateCosts(NamedTuple):
    """A row of Table IX: by ecoregion held out, or one number for all."""

    epochs: int
    hours: tuple[float, ...]
    images: tuple[int, ...]
    parameters: int  # of the whole model, BatchNorm's moving statistics too


AVERAGE = "average"

INITIAL: dict[str, Pair] = {  # Tables II to VII, phase 1
    "nwfm": Pair(0.638, 0.392),
    "etf": Pair(0.643, 0.498),
    "mwcf": Pair(0.661, 0.469),
    "nad": Pair(0.674, 0.238),
    AVERAGE: Pair(0.654, 0.399),
}

FREEZE: dict[str, Pair] = {  # Tables VI and VII, phase 2: the same training as Table V's
    "nwfm": Pair(None, 0.632),
    "etf": Pair(None, 0.655),
    "mwcf": Pair(None, 0.647),
    "nad": Pair(None, 0.642),
    AVERAGE: Pair(None, 0.644),
}

UPDATED: dict[str, dict[str, Pair]] = {
    "retraining": {  # Table III
        "nwfm": Pair(0.332, 0.624),
        "etf": Pair(0.372, 0.672),
        "mwcf": Pair(0.398, 0.655),
        "nad": Pair(0.401, 0.641),
        AVERAGE: Pair(0.375, 0.648),
    },
    "fine_tuning": {  # Table IV
        "nwfm": Pair(0.582, 0.642),
        "etf": Pair(0.615, 0.665),
        "mwcf": Pair(0.604, 0.658),
        "nad": Pair(0.631, 0.654),
        AVERAGE: Pair(0.608, 0.655),
    },
    "feature_extraction": {  # Table V
        "nwfm": Pair(0.638, 0.632),
        "etf": Pair(0.643, 0.655),
        "mwcf": Pair(0.661, 0.647),
        "nad": Pair(0.674, 0.642),
        AVERAGE: Pair(0.654, 0.644),
    },
    "tsmu": {  # Table VI
        "nwfm": Pair(0.649, 0.641),
        "etf": Pair(0.657, 0.678),
        "mwcf": Pair(0.672, 0.668),
        "nad": Pair(0.683, 0.661),
        AVERAGE: Pair(0.665, 0.662),
    },
    "joint_training": {  # Table VII
        "nwfm": Pair(0.653, 0.645),
        "etf": Pair(0.662, 0.683),
        "mwcf": Pair(0.678, 0.672),
        "nad": Pair(0.684, 0.668),
        AVERAGE: Pair(0.669, 0.667),
    },
}

ALL_TEST_DATA: dict[str, tuple[float, float]] = {  # Table VIII: mean, standard deviation
    "leave_one_out": (0.591, 0.019),
    "retraining": (0.443, 0.015),
    "fine_tuning": (0.620, 0.014),
    "feature_extraction": (0.648, 0.014),
    "tsmu": (0.665, 0.015),
    "joint_training": (0.668, 0.032),
    "sequential_tsmu": (0.671, 0.006),
    "all_data": (0.676, 0.015),
}

_IMAGES = (700, 440, 500, 680)

COSTS: dict[str, UpdateCosts] = {  # Table IX, on an RTX 2080 Ti; in the order of ECOREGIONS
    "retraining": UpdateCosts(100, (1.2,) * 4, _IMAGES, 5_052_945),
    "fine_tuning": UpdateCosts(200, (2.3,) * 4, _IMAGES, 9_796_930),
    "feature_extraction": UpdateCosts(200, (2.3,) * 4, _IMAGES, 9_796_930),
    "tsmu": UpdateCosts(300, (3.3,) * 4, _IMAGES, 9_796_930),
    "joint_training": UpdateCosts(450, (7.1, 6.8, 6.8, 7.1), (1400, 800, 1000, 1360), 9_796_930),  # 800: as printed
    "sequential_tsmu": UpdateCosts(600, (11.6,), (1820,), 19_278_820),  # end to end
    "all_data": UpdateCosts(400, (13.8,), (2320,), 5_052_945),
}
