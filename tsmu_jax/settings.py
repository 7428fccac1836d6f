"""The settings of a run. Each is declared once, with its default, meaning, permitted values and scope.

The default configuration (configs/tsmu.py), the checks, the keys of phases, the report's "differs in" and
docs/settings.md follow from these declarations.
"""

import dataclasses
from typing import Any, Literal

from tsmu_jax.declaration import Range, Scope, Setting, declared, setting
from tsmu_jax.methods import METHODS, STATISTICS

POSITIVE = Range(0, low_excluded=True)
NOT_NEGATIVE = Range(0)
FRACTION = Range(0, 1, high_excluded=True)
PART = Range(0, 1, low_excluded=True, high_excluded=True)
SEED = Range(0, 2**32 - 1)


def _epochs(default: int, phase: str) -> Any:
    return setting(default, f"of `{phase}`", POSITIVE)


def _rate(default: float, phase: str) -> Any:
    return setting(default, f"Adam's learning rate at the start of `{phase}`", POSITIVE)


def _statistics(default: str, phase: str) -> Any:
    return setting(default, f"whose BatchNorm statistics follow the images of `{phase}`", tuple(STATISTICS))


@dataclasses.dataclass(frozen=True)
class Synthetic:
    """The embedded ecoregions."""

    pairs: str = setting("etf=27,mwcf=30,nad=39,nwfm=400", "number of pairs of each ecoregion")
    height: int = setting(512, "of an image, pixels", POSITIVE)
    width: int = setting(768, "of an image, pixels", POSITIVE)


@dataclasses.dataclass(frozen=True)
class Data:
    """Images, their split, and what an epoch draws."""

    dir: str = setting(
        "", "what tsmu_jax.prepare wrote, or a folder of images; default: synthetic ecoregions", scope=Scope.IMAGES
    )
    size: int = setting(512, "side of the square that pairs are resized to", POSITIVE)
    channels: Literal[3, 6] = setting(6, "6: pre- and post-event RGB; 3: post-event RGB alone")
    labels: str = setting(
        "landslide", 'LabelMe labels that count as landslide, "slide,debris flow"', scope=Scope.IMAGES
    )
    tile: str = setting(
        "", 'side of the tiles that images are cut into: "200", or "etf=200,nad=256"', scope=Scope.IMAGES
    )
    on_bad_file: Literal["error", "skip"] = setting(
        "error", "skip: leave bad files out and list them", scope=Scope.IMAGES
    )
    test_pairs: int = setting(5, "of each ecoregion, used for nothing else", POSITIVE)
    split: Literal["auto", "paper", "blocked"] = setting(
        "auto",
        "paper: at random; blocked: neighbours stay together; auto: blocked if footprints are known",
    )
    min_distance_m: float = setting(100.0, "footprints this close are neighbours", NOT_NEGATIVE)
    validation: Literal["disjoint", "paper"] = setting(
        "disjoint", "held-out training pairs; paper: augmented copies of the training pairs"
    )
    validation_fraction: float = setting(0.15, "of the training pairs", PART)
    validation_copies: int = setting(2, "augmented copies of each validation pair", POSITIVE)
    subsample: int = setting(35, "most pairs that an epoch takes from one ecoregion; 0: all", NOT_NEGATIVE)
    new_pairs: int = setting(
        0, "training pairs of each ecoregion that arrives later; 0: all it has", NOT_NEGATIVE, Scope.UPDATES
    )
    old_sample: Literal["once", "anew"] = setting(
        "once", "when joint training draws its old pairs; anew: before each epoch", scope=Scope.SAMPLING
    )
    draws: int = setting(20, "augmented draws of each pair in an epoch", POSITIVE)
    cache_gib: float = setting(4.0, "memory for resized pairs", NOT_NEGATIVE, Scope.NOTHING)
    features_gib: float = setting(
        4.0,
        "memory of each device for a frozen encoder's features; they are computed anew beyond it",
        NOT_NEGATIVE,
        Scope.NOTHING,
    )
    workers: int = setting(4, "threads that read ahead", NOT_NEGATIVE, Scope.NOTHING)
    synthetic: Synthetic = Synthetic()


@dataclasses.dataclass(frozen=True)
class Network:
    """The network (section V-C, Table IX)."""

    variant: Literal["table_ix", "text"] = setting("table_ix", "or text: section V-C as written")
    width: float = setting(1.0, "factor on all channels, for small runs", POSITIVE)
    depth: int = setting(7, "levels of the decoder; sides must be divisible by 2 ** (depth - 1)", Range(1, 10))
    dropout: float = setting(0.1, "in the decoders", FRACTION)
    prior: float = setting(0.5, "probability that a new decoder answers at first", PART)
    bn_momentum: float = setting(0.9, "share of the old value in BatchNorm's moving statistics", FRACTION)
    rematerialise: bool = setting(
        False, "less memory, more time: the gradient computes blocks again", scope=Scope.NOTHING
    )
    dtype: Literal["float32", "bfloat16"] = setting("float32", "of the computation; bfloat16 on GPUs")


@dataclasses.dataclass(frozen=True)
class Loss:
    """The loss of the labels."""

    dice: Literal["image", "batch"] = setting(
        "image", "over each image, the paper's; batch: over all pixels of a batch"
    )
    smoothing: float = setting(1.0, "mu", POSITIVE)
    cross_entropy: float = setting(0.0, "weight of cross-entropy beside Dice; the paper has none", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Adam and what goes with it (section V-F)."""

    schedule: Literal["constant", "cosine"] = setting("constant", "cosine: the rate falls to 0 over each phase")
    decay: Literal["weight", "schedule"] = setting("weight", "decoupled weight decay; schedule: a falling rate")
    weight_decay: float = setting(3e-4, "of kernels", NOT_NEGATIVE)
    clip_norm: float = setting(0.0, "largest norm of the gradient; 0: no clipping", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class Distillation:
    """Knowledge distillation (equation 11)."""

    form: Literal["bce", "eq11", "mse"] = setting("bce", "eq11: as printed; mse: as in the authors' scripts")
    temperature: float = setting(2.0, "T", POSITIVE)
    weight: float = setting(1.0, "lambda", NOT_NEGATIVE)
    train_old: bool = setting(True, "whether the old decoders' parameters are trained too")


@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """The end of a phase before its last epoch."""

    patience: int = setting(0, "epochs without a better validation IoU; 0: train all epochs", NOT_NEGATIVE)
    min_delta: float = setting(0.0, "smallest gain that counts as better", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class Selection:
    """The autoencoders that choose the decoder of an unknown image (section V-E)."""

    side: int = setting(16, "pairs are down-sampled to this side (at most data.size)", POSITIVE)
    hidden: int = setting(32, "width of the hidden layer", POSITIVE)
    epochs: int = setting(100, "of four flips of each pair; 0: no autoencoders", NOT_NEGATIVE)
    rate: float = setting(3e-3, "Adam's", POSITIVE)
    margin: float = setting(
        0.1, "a smaller margin between the best two sends an image to review", FRACTION, Scope.REVIEW
    )


@dataclasses.dataclass(frozen=True)
class Epochs:
    """For how many epochs each phase trains."""

    initial: int = _epochs(200, "initial")
    freeze: int = _epochs(200, "freeze")
    joint_fine_tuning: int = _epochs(100, "joint_fine_tuning")
    retrain: int = _epochs(100, "retrain")
    fine_tune: int = _epochs(200, "fine_tune")
    joint: int = _epochs(250, "joint")
    retrain_all: int = _epochs(400, "retrain_all")


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast each phase trains; "small" is the paper's word for the rates of 1e-5."""

    initial: float = _rate(1e-3, "initial")
    freeze: float = _rate(1e-3, "freeze")
    joint_fine_tuning: float = _rate(1e-5, "joint_fine_tuning")
    retrain: float = _rate(1e-5, "retrain")
    fine_tune: float = _rate(1e-3, "fine_tune")
    joint: float = _rate(1e-3, "joint")
    retrain_all: float = _rate(1e-3, "retrain_all")


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Whose BatchNorm statistics follow the images of a phase.

    Those of "all" parts that the phase trains, of the "new" decoder alone, or of none ("frozen"). A part whose
    statistics are frozen has no dropout either.
    """

    joint_fine_tuning: str = _statistics("frozen", "joint_fine_tuning")  # new images alone spoil the old decoders
    retrain: str = _statistics("all", "retrain")
    fine_tune: str = _statistics("all", "fine_tune")
    joint: str = _statistics("all", "joint")
    retrain_all: str = _statistics("all", "retrain_all")


@dataclasses.dataclass(frozen=True)
class Update:
    """An update of a saved model (`start`)."""

    max_forgetting: float = setting(
        0.01, "the old ecoregions' mean IoU may fall by this much", Range(0, 1), Scope.VERDICT
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: its method, its ecoregions, its sections."""

    method: str = setting("tsmu", "or another one of tsmu_jax/methods.py", tuple(METHODS), Scope.PLAN)
    old: str = setting(
        "", 'ecoregions the model starts with, "etf,mwcf"; default: all but the new ones', scope=Scope.PLAN
    )
    new: str = setting("", "ecoregions that arrive later; default: the last one there is", scope=Scope.PLAN)
    start: str = setting(
        "", "saved model to update, or the directory of a run that has one; default: begin anew", scope=Scope.START
    )
    exam: bool = setting(
        True, "keep the test pairs in the saved model, so that updates can measure forgetting", None, Scope.NOTHING
    )
    seed: int = setting(0, "of images, split, weights and draws", SEED)
    batch_size: int = setting(2, "over all devices", POSITIVE)
    reuse: bool = setting(True, "take finished phases from run directories beside this one", None, Scope.NOTHING)
    checkpoint_minutes: float = setting(
        10.0, "between the periodic checkpoints inside a phase", POSITIVE, Scope.NOTHING
    )
    keep_state: bool = setting(
        True,
        "keep Adam's state after the last phase, so that a run with more epochs goes on from it (constant rates alone)",
        None,
        Scope.NOTHING,
    )
    profile: bool = setting(False, "trace a few steps of each phase into WORKDIR/profile", None, Scope.NOTHING)
    data: Data = Data()
    model: Network = Network()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    distillation: Distillation = Distillation()
    early_stopping: EarlyStopping = EarlyStopping()
    selection: Selection = Selection()
    update: Update = Update()
    epochs: Epochs = Epochs()
    rates: Rates = Rates()
    statistics: Statistics = Statistics()


# The scope of a section's settings, where they declare no other one.
SECTIONS = {
    "data.synthetic": Scope.IMAGES,
    "distillation": Scope.DISTILLING,
    "selection": Scope.AUTOENCODERS,
    "epochs": Scope.OWN_PHASE,
    "rates": Scope.OWN_PHASE,
    "statistics": Scope.OWN_PHASE,
}


SETTINGS: dict[str, Setting] = declared(Config(), SECTIONS)
