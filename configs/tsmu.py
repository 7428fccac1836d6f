"""TSMU on the synthetic ecoregions, or on your own with --config.data.dir=DIR.

    python -m tsmu_jax.main --config=configs/tsmu.py:demo --workdir=runs/demo

trains and evaluates in a few minutes on two CPU cores. Without a variant, images, network and epochs are the paper's:
512 x 512 pairs, work for a GPU. Three defaults differ from the paper, since its choices mislead or forget: footprints
that are neighbours stay on one side of the split, validation pairs are held out, and distillation is a full
cross-entropy, a mean over pixels. `configs/tsmu.py:paper` has all three as printed. Every value can be set on the
command line (`--config.data.size=256`); the comments say what each one means.
"""

from ml_collections import config_dict


def get_config(variant: str = "default") -> config_dict.ConfigDict:
    """Returns the configuration of a variant: "default", "paper", "small" or "demo"."""
    variants = {"default": lambda config: None, "paper": _paper, "small": _small, "demo": _demo}
    if variant not in variants:
        raise ValueError(f"unknown variant {variant!r} of configs/tsmu.py; known: {', '.join(variants)}")
    config = _default()
    variants[variant](config)
    return config.lock()


def _default() -> config_dict.ConfigDict:
    config = config_dict.ConfigDict()
    config.method = "tsmu"  # or another one of tsmu_jax/methods.py
    config.old = ""  # ecoregions the model starts with, "etf,mwcf"; default: all but the new ones
    config.new = ""  # ecoregions that arrive later; default: the last one there is
    config.seed = 0
    config.batch_size = 2  # over all devices
    config.reuse = True  # take finished phases from run directories beside this one where they are the same
    config.checkpoint_minutes = 10.0  # between the periodic checkpoints inside a phase
    config.profile = False  # trace a few steps of each phase into WORKDIR/profile, for Perfetto or XProf

    config.data = _data()
    config.model = config_dict.ConfigDict()
    config.model.variant = "table_ix"  # or "text": section V-C as written
    config.model.width = 1.0  # factor on all channels, for small runs
    config.model.depth = 7  # levels of the decoder; sides must be divisible by 2 ** (depth - 1)
    config.model.dropout = 0.1
    config.model.prior = 0.5  # what a new decoder answers at first; lower: few steps to learn that landslides are rare
    config.model.bn_momentum = 0.9  # of the moving statistics
    config.model.rematerialise = False  # less memory, more time: blocks are computed twice
    config.model.dtype = "float32"  # of the computation; "bfloat16" on GPUs

    config.loss = config_dict.ConfigDict()
    config.loss.dice = "image"  # the paper's; "batch": over all pixels of a batch, for data with many empty masks
    config.loss.smoothing = 1.0  # mu
    config.loss.cross_entropy = 0.0  # its weight beside Dice, for data with many empty masks; the paper has none

    config.optimizer = config_dict.ConfigDict()
    config.optimizer.schedule = "constant"  # "cosine": the rate falls to 0 over each phase, for short ones
    config.optimizer.decay = "weight"  # decoupled weight decay; "schedule": a falling learning rate
    config.optimizer.weight_decay = 3e-4
    config.optimizer.clip_norm = 0.0  # 0: no gradient clipping

    config.distillation = _distillation()

    config.early_stopping = config_dict.ConfigDict()
    config.early_stopping.patience = 0  # epochs without a better validation IoU; 0: train all epochs
    config.early_stopping.min_delta = 0.0

    config.selection = config_dict.ConfigDict()  # one autoencoder an ecoregion chooses the decoder of an unknown image
    config.selection.side = 16  # pairs are down-sampled to this side (at most data.size)
    config.selection.hidden = 32  # width of the hidden layer
    config.selection.epochs = 100  # of four flips of each pair; 0: no autoencoders
    config.selection.rate = 3e-3  # Adam's
    config.selection.margin = 0.1  # a smaller margin between the best two sends an image to review

    _phases(config)
    return config


def _phases(config: config_dict.ConfigDict) -> None:
    """How long, how fast, and with whose BatchNorm statistics each phase trains."""
    config.epochs = config_dict.ConfigDict()
    config.epochs.initial = 200
    config.epochs.freeze = 200
    config.epochs.joint_fine_tuning = 100
    config.epochs.retrain = 100
    config.epochs.fine_tune = 200
    config.epochs.joint = 250
    config.epochs.retrain_all = 400

    config.rates = config_dict.ConfigDict()  # Adam's learning rate at the start of each phase
    config.rates.initial = config.rates.freeze = 1e-3
    config.rates.joint_fine_tuning = config.rates.retrain = 1e-5  # "small", says the paper
    config.rates.fine_tune = config.rates.joint = config.rates.retrain_all = 1e-3

    # Whose BatchNorm statistics follow the images of a phase, of the parts that it trains: those of "all", the "new"
    # decoder's, or nobody's ("frozen"). A part whose statistics are frozen has no dropout either.
    config.statistics = config_dict.ConfigDict()
    config.statistics.joint_fine_tuning = "frozen"  # moved on new images alone, they spoil the old decoders
    config.statistics.retrain = config.statistics.fine_tune = "all"
    config.statistics.joint = config.statistics.retrain_all = "all"


def _distillation() -> config_dict.ConfigDict:
    distillation = config_dict.ConfigDict()
    distillation.form = "bce"  # "eq11": as printed; "mse": as in the authors' scripts
    distillation.temperature = 2.0  # T
    distillation.weight = 1.0  # lambda
    distillation.train_old = True  # whether the old decoders' parameters are trained too
    return distillation


def _data() -> config_dict.ConfigDict:
    data = config_dict.ConfigDict()
    data.dir = ""  # what tsmu_jax.prepare wrote, or a folder of images; default: the synthetic ecoregions
    data.size = 512  # side of the square that pairs are resized to
    data.channels = 6  # 6: pre- and post-event RGB; 3: post-event RGB alone
    data.labels = "landslide"  # LabelMe labels that count as landslide, "slide,debris flow"
    data.tile = ""  # cut images into tiles of this side: "200", or "tianshui=200,etf=256"
    data.on_bad_file = "error"  # or "skip": leave bad files out and list them
    data.test_pairs = 5  # of each ecoregion, used for nothing else
    data.split = "auto"  # "paper": at random; "blocked": neighbours stay together; "auto": blocked if known
    data.min_distance_m = 100.0  # footprints this close are neighbours
    data.validation = "disjoint"  # held-out training pairs; "paper": augmented copies of the training pairs
    data.validation_fraction = 0.15  # of the training pairs
    data.validation_copies = 2  # augmented copies of each validation pair
    data.subsample = 35  # pairs an epoch takes from one ecoregion at most (uniform sub-sampling); 0: all
    data.new_pairs = 0  # training pairs of each ecoregion that arrives later; 0: all it has
    data.old_sample = "once"  # when joint training draws its old pairs; "anew": before each epoch
    data.draws = 20  # augmented draws of each pair in an epoch
    data.cache_gib = 4.0  # memory for resized pairs
    data.features_gib = 4.0  # memory of each device for a frozen encoder's features; they are computed anew beyond it
    data.workers = 4  # threads that read ahead
    data.synthetic = config_dict.ConfigDict()
    data.synthetic.pairs = "etf=27,mwcf=30,nad=39,nwfm=400"
    data.synthetic.height = 512
    data.synthetic.width = 768
    return data


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
