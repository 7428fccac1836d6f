"""Faults that training would survive without an error, each a change of one place in the source."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    """A change that must not go unnoticed.

    Attributes:
      name: on the command line and in the output.
      file: the changed file, relative to the root of the repository.
      before: a text that occurs in `file` exactly once.
      after: its replacement.
      tests: the quickest tests that notice, as pytest's node ids or files.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


FAULTS = (
    # The parameters of the encoder stay, its BatchNorm statistics follow the new images.
    Fault(
        "frozen-statistics-moved",
        "tsmu_jax/models/tsmu.py",
        before='images, counted, train="shared" in training',
        after="images, counted, train=True",
        tests=("tests/models/test_tsmu.py::test_only_parts_in_training_mode_move_their_statistics",),
    ),
    # Each old decoder is held to the responses of another one. A single old decoder hides that.
    Fault(
        "wrong-decoder-distilled",
        "tsmu_jax/learning/steps.py",
        before="for index, name in enumerate(objective.distilled)]",
        after="for index, name in enumerate(reversed(objective.distilled))]",
        tests=("tests/learning/test_steps.py::test_losses_are_means_over_real_images_and_decoders",),
    ),
    # The image is flipped, and its stored responses are not.
    Fault(
        "responses-of-the-wrong-flip",
        "tsmu_jax/data/pipeline.py",
        before="self._responses.read(pair, code)",
        after="self._responses.read(pair, 0)",
        tests=("tests/data/test_pipeline.py::test_responses_are_those_of_the_pair_and_its_flip",),
    ),
    # Masks lie one pixel to the right of their images.
    Fault(
        "labels-shifted",
        "tsmu_jax/data/examples.py",
        before="mask = _resized(pair.mask, (size, size), Image.Resampling.NEAREST)",
        after="mask = np.roll(_resized(pair.mask, (size, size), Image.Resampling.NEAREST), 1, axis=1)",
        tests=("tests/data/test_examples.py::test_images_of_the_right_size_are_untouched",),
    ),
    # The loss takes its own default, whatever the configuration says.
    Fault(
        "temperature-dropped",
        "tsmu_jax/learning/steps.py",
        before="temperature=objective.temperature, form=objective.kd",
        after="form=objective.kd",
        tests=("tests/learning/test_steps.py::test_losses_are_means_over_real_images_and_decoders",),
    ),
    # One block of the test set is trained on, too.
    Fault(
        "test-pair-in-training",
        "tsmu_jax/data/splits.py",
        before="rest = _without(free, test)",
        after="rest = _without(free, test[1:])",
        tests=("tests/data/test_splits.py::test_sets_are_disjoint_complete_and_of_the_right_size",),
    ),
    # One decoder in 16 with 4 channels never answers "landslide".
    Fault(
        "head-signs",
        "tsmu_jax/models/decoder.py",
        before="kernel_init=head_init(self.prior)",
        after="kernel_init=nn.initializers.lecun_normal()",
        tests=("tests/models/test_tsmu.py::test_a_new_decoder_can_reach_both_answers_from_any_seed[0.5-text]",),
    ),
    # Joint fine-tuning at the rate of initial training forgets the old ecoregions.
    Fault(
        "small-rate-ignored",
        "tsmu_jax/runs/experiment.py",
        before="getattr(self.config.rates, stage.phase.settings)",
        after='getattr(self.config.rates, "initial" if stage.phase.distils else stage.phase.settings)',
        tests=("tests/runs/test_experiment.py::test_every_phase_moves_its_parts_at_its_own_rate",),
    ),
    # Sums over the batch take the place of each image's sums, and broadcast without an error.
    Fault(
        "dice-over-the-wrong-axis",
        "tsmu_jax/learning/losses.py",
        before="return (truth * probability).sum((1, 2)), (truth + probability).sum((1, 2))",
        after="return (truth * probability).sum()[None], (truth + probability).sum()[None]",
        tests=("tests/learning/test_losses.py::test_soft_dice_is_equations_5_to_8",),
    ),
    # The responses are the old decoders' present answers instead of the stored ones, so nothing holds the decoders.
    Fault(
        "teacher-updated-along",
        "tsmu_jax/learning/steps.py",
        before="(logits[name], stored[:, index])",
        after="(logits[name], logits[name])",
        tests=("tests/learning/test_steps.py::test_losses_are_means_over_real_images_and_decoders",),
    ),
    # Ground that nobody can judge is background to the loss.
    Fault(
        "unknown-ground-counted",
        "tsmu_jax/learning/steps.py",
        before="known, weight = mask != UNKNOWN, batch[WEIGHT]",
        after="known, weight = mask == mask, batch[WEIGHT]",
        tests=("tests/learning/test_steps.py::test_unknown_ground_moves_no_parameter_and_is_seen_by_batchnorm",),
    ),
)
