"""TSMU on the synthetic ecoregions, or on your own with --config.data.dir=DIR.

    python -m tsmu_jax.main --config=configs/tsmu.py:demo --workdir=runs/demo

trains and evaluates in a few minutes on two CPU cores. Without a variant, images, network and epochs are the paper's:
512 x 512 pairs, work for a GPU. Three defaults differ from the paper, since its choices mislead or forget: footprints
that are neighbours stay on one side of the split, validation pairs are held out, and distillation is a full
cross-entropy, a mean over pixels. `configs/tsmu.py:paper` has all three as printed. Every value can be set on the
command line (`--config.data.size=256`); docs/settings.md says what each one means.
"""

import dataclasses

from ml_collections import config_dict

from tsmu_jax.settings import Config


def get_config(variant: str = "default") -> config_dict.ConfigDict:
    """Returns the configuration of a variant: "default", "paper", "small" or "demo"."""
    variants = {"default": lambda config: None, "paper": _paper, "small": _small, "demo": _demo}
    if variant not in variants:
        raise ValueError(f"unknown variant {variant!r} of configs/tsmu.py; known: {', '.join(variants)}")
    config = _default()
    variants[variant](config)
    return config.lock()


def _default() -> config_dict.ConfigDict:
    config = config_dict.ConfigDict(dataclasses.asdict(Config()))
    # A flag looks for an attribute first, and a ConfigDict has a method of this name: --config.update.max_forgetting
    # would not be found.
    object.__setattr__(config, "update", config["update"])
    return config


def _paper(config: config_dict.ConfigDict) -> None:
    """The paper's protocol as printed, where the default departs from it."""
    config.data.split = "paper"  # five random test pairs, whatever lies beside them
    config.data.validation = "paper"  # augmented copies of the training pairs
    config.distillation.form = "eq11"  # the positive term alone
    # Equation 11 with lambda = 1 sums over pixels; the losses here are means over them. With another data.size set its
    # square here, too.
    config.distillation.weight = float(config.data.size**2)


def _small(config: config_dict.ConfigDict) -> None:
    """Four regions of real images in under an hour on two CPU cores: 64 x 64 pairs, few epochs, the full network."""
    config.batch_size = 4
    config.data.size = 64
    config.data.synthetic.height = 64
    config.data.synthetic.width = 96
    config.data.subsample = 40
    config.data.draws = 2
    config.data.validation_copies = 1
    config.model.prior = 0.1  # safe beside cross-entropy only: Dice alone may then give up on small landslides
    config.loss.cross_entropy = 1.0  # real regions have images without landslide, which Dice cannot learn from
    config.optimizer.schedule = "cosine"  # there are far fewer steps than in the paper's setting
    config.early_stopping.patience = 40  # as long as a phase: all its epochs are trained, the best one is kept
    config.epochs.initial = config.epochs.fine_tune = 20
    config.epochs.freeze = 40
    config.epochs.joint_fine_tuning = config.epochs.retrain = 15
    config.epochs.joint, config.epochs.retrain_all = 25, 40


def _demo(config: config_dict.ConfigDict) -> None:
    """Minutes on two CPU cores: small pairs, few epochs, a narrower network, and rates for so few steps.

    Synthetic pairs cost next to nothing, and repeated draws of few pairs overfit, so there are many, each drawn once an
    epoch.
    """
    config.batch_size = 4
    config.new = "mwcf"
    config.data.size = 48
    config.data.synthetic.pairs = "etf=200,mwcf=200,nad=200,nwfm=200"
    config.data.synthetic.height = 48
    config.data.synthetic.width = 72
    config.data.test_pairs = 40
    config.data.subsample = 0
    config.data.draws = 1
    config.model.width = 0.5
    config.model.depth = 5
    config.model.bn_momentum = 0.95  # statistics of ten batches of four images would say little
    config.optimizer.schedule = "cosine"  # at these rates the last of so few steps would decide the result
    config.epochs.initial, config.epochs.freeze = 6, 10
    config.epochs.joint_fine_tuning = 20  # long and slow: the same gain costs the old ecoregions less than at 1e-3
    config.epochs.joint = 20
    config.epochs.fine_tune = config.epochs.retrain = config.epochs.retrain_all = 30  # freeze and joint fine-tuning
    config.rates.initial = 5e-3
    config.rates.freeze = config.rates.fine_tune = 1e-2
    config.rates.joint_fine_tuning = 3e-4
    config.rates.retrain = config.rates.joint = config.rates.retrain_all = 1e-3
    config.distillation.weight = 3.0
