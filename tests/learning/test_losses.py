import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsmu_jax.learning.losses import (
    KD_FORMS,
    batch_soft_dice,
    cross_entropy,
    dice_sums,
    drift,
    knowledge_distillation,
    soft_dice,
)

SHAPE = (3, 6, 5)
PIXELS = 30


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, SHAPE).astype(np.float32)


@pytest.fixture
def responses() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 3, SHAPE).astype(np.float32)


@pytest.fixture
def mask() -> np.ndarray:
    mask = (np.random.default_rng(2).uniform(size=SHAPE) < 0.3).astype(np.uint8)
    mask[1] = 0  # no landslide
    return mask


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def tempered(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Equation 9 as printed."""
    p = sigmoid(logits)
    positive, negative = p ** (1 / temperature), (1 - p) ** (1 / temperature)
    return positive / (positive + negative)


def test_soft_dice_is_equations_5_to_8(logits, mask) -> None:
    p = sigmoid(logits)
    expected = []
    for y, q in zip(mask.astype(np.float64), p, strict=True):
        expected.append(1 - (2 * (y * q).sum() + 1) / (y.sum() + q.sum() + 1))
    loss = jax.jit(lambda logits, mask: soft_dice(logits=logits, mask=mask))(logits, mask)
    assert (loss.shape, loss.dtype) == ((3,), jnp.float32)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    smoother = soft_dice(logits=logits, mask=mask, smoothing=10.0)
    intersection, union = (mask * p).sum((1, 2)), (mask + p).sum((1, 2))
    np.testing.assert_allclose(smoother, 1 - (2 * intersection + 10) / (union + 10), rtol=1e-5)


def test_soft_dice_gradient(logits, mask) -> None:
    p = sigmoid(logits)
    intersection, union = (mask * p).sum((1, 2), keepdims=True), (mask + p).sum((1, 2), keepdims=True)
    expected = -(2 * mask * (union + 1) - (2 * intersection + 1)) / (union + 1) ** 2 * p * (1 - p)
    gradient = jax.jit(jax.grad(lambda logits: soft_dice(logits=logits, mask=mask).sum()))(logits)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)


def test_perfect_masks_cost_nothing(mask) -> None:
    perfect = np.where(mask == 1, 30.0, -30.0).astype(np.float32)
    np.testing.assert_allclose(soft_dice(logits=perfect, mask=mask), 0, atol=1e-6)  # the empty mask too
    wrong = soft_dice(logits=-perfect, mask=mask)
    np.testing.assert_allclose(wrong, 1 - 1 / (PIXELS + 1), rtol=1e-5)


def test_dice_of_a_batch_takes_its_pixels_for_one_image(logits, mask) -> None:
    p = sigmoid(logits)
    expected = 1 - (2 * (mask * p).sum() + 2) / (mask.sum() + p.sum() + 2)

    def loss(logits: jax.Array) -> jax.Array:
        intersection, union = dice_sums(logits=logits, mask=mask)
        assert intersection.shape == union.shape == (3,)
        return batch_soft_dice((intersection.sum(), union.sum()), smoothing=2.0)

    value, gradient = jax.value_and_grad(loss)(logits)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert (gradient[1] > 0).all()  # no landslide there: every false alarm costs
    one_image = dice_sums(logits=logits.reshape(1, 18, 5), mask=mask.reshape(1, 18, 5))
    np.testing.assert_allclose(value, 1 - (2 * one_image[0] + 2) / (one_image[1] + 2), rtol=1e-5)


def test_cross_entropy_punishes_false_alarms_where_dice_does_not(logits, mask) -> None:
    p = sigmoid(logits)
    expected = -(mask * np.log(p) + (1 - mask) * np.log(1 - p)).mean((1, 2))
    loss = jax.jit(lambda logits, mask: cross_entropy(logits=logits, mask=mask))(logits, mask)
    assert (loss.shape, loss.dtype) == ((3,), jnp.float32)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    gradient = jax.grad(lambda x: cross_entropy(logits=x, mask=mask).sum())(logits)
    np.testing.assert_allclose(gradient, (p - mask) / PIXELS, rtol=1e-4, atol=1e-7)
    alarms, empty = np.full((1, 64, 64), 3.0, np.float32), np.zeros((1, 64, 64), np.uint8)
    by_dice = jax.grad(lambda x: soft_dice(logits=x, mask=empty).sum())(alarms)
    by_entropy = jax.grad(lambda x: cross_entropy(logits=x, mask=empty).sum())(alarms)
    assert by_entropy.min() > 1000 * by_dice.max() > 0


def kd(logits, responses, form: str, temperature: float = 2.0) -> jax.Array:
    return knowledge_distillation(logits=logits, responses=responses, temperature=temperature, form=form)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_knowledge_distillation_is_equations_9_to_11(logits, responses, temperature: float) -> None:
    f, q = tempered(responses, temperature), tempered(logits, temperature)
    expected = {
        "bce": -f * np.log(q) - (1 - f) * np.log(1 - q) + f * np.log(f) + (1 - f) * np.log(1 - f),
        "eq11": -f * np.log(q),
        "mse": (f - q) ** 2,
    }
    assert set(expected) == set(KD_FORMS)
    for form, values in expected.items():
        loss = jax.jit(kd, static_argnums=(2, 3))(logits, responses, form, temperature)
        assert (loss.shape, loss.dtype) == ((3,), jnp.float32)
        np.testing.assert_allclose(loss, values.mean((1, 2)), rtol=1e-4, atol=1e-6, err_msg=form)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_knowledge_distillation_gradients(logits, responses, temperature: float) -> None:
    f, q = tempered(responses, temperature), tempered(logits, temperature)
    expected = {"bce": q - f, "eq11": -f * (1 - q), "mse": 2 * (q - f) * q * (1 - q)}
    for form, values in expected.items():
        gradient = jax.grad(lambda x, form=form: kd(x, responses, form, temperature).sum())(logits)
        np.testing.assert_allclose(gradient, values / temperature / PIXELS, rtol=1e-4, atol=1e-7, err_msg=form)


def test_equal_answers_are_at_rest_except_in_equation_11_as_printed(logits) -> None:
    gradients = {form: jax.grad(lambda x, form=form: kd(x, logits, form).sum())(logits) * PIXELS for form in KD_FORMS}
    np.testing.assert_array_equal(kd(logits, logits, "bce"), 0)
    np.testing.assert_array_equal(kd(logits, logits, "mse"), 0)
    np.testing.assert_allclose(gradients["bce"], 0, atol=1e-7)
    np.testing.assert_array_equal(gradients["mse"], 0)
    assert (kd(logits, logits, "eq11") > 0.05).all()
    assert (gradients["eq11"] < -1e-3).all()  # descending, every logit rises


def test_equation_11_raises_logits_wherever_they_are(logits, responses) -> None:
    gradient = jax.grad(lambda x: kd(x, responses, "eq11").sum())(logits)
    assert (gradient < 0).all()
    everywhere = np.full_like(logits, 50)
    assert (kd(everywhere, responses, "eq11") < kd(responses, responses, "eq11")).all()
    assert (kd(everywhere, responses, "bce") > 1).all()


@pytest.mark.parametrize("form", KD_FORMS)
def test_knowledge_distillation_does_not_depend_on_the_size_of_the_image(logits, responses, form) -> None:
    larger = (np.tile(x, (1, 2, 3)) for x in (logits, responses))
    np.testing.assert_allclose(kd(*larger, form), kd(logits, responses, form), rtol=1e-5)


@pytest.mark.parametrize("form", KD_FORMS)
def test_no_gradient_reaches_the_responses(logits, responses, form) -> None:
    gradient = jax.grad(lambda r: kd(logits, r, form).sum())(responses)
    np.testing.assert_array_equal(gradient, 0)


def test_unknown_form(logits) -> None:
    with pytest.raises(ValueError, match="'kl'; known: bce, eq11, mse"):
        kd(logits, logits, "kl")


def test_extreme_logits_stay_finite() -> None:
    extremes = np.array([-100, -1e-6, 0, 100], np.float32)
    student, teacher = (x[None] for x in np.meshgrid(extremes, extremes))
    mask = (teacher > 0).astype(np.uint8)
    losses = {form: lambda x, form=form: kd(x, teacher, form).sum() for form in KD_FORMS}
    losses["dice"] = lambda x: soft_dice(logits=x, mask=mask).sum()
    for name, loss in losses.items():
        value, gradient = jax.value_and_grad(loss)(student)
        assert np.isfinite(value) and np.isfinite(gradient).all(), name
    # At -100 against 100, temperature 2: f is 1, so -log q is 50 for that pixel; all terms by hand.
    f, q = tempered(teacher, 2.0), tempered(student, 2.0)
    eq11 = (f * np.logaddexp(0, -student / 2.0)).mean()
    np.testing.assert_allclose(kd(student, teacher, "eq11")[0], eq11, rtol=1e-5)
    np.testing.assert_allclose(kd(student, teacher, "mse")[0], ((f - q) ** 2).mean(), rtol=1e-5)


def test_low_precision_logits_are_raised_to_float32(logits, responses, mask) -> None:
    low, low_responses = jnp.asarray(logits, jnp.bfloat16), jnp.asarray(responses, jnp.bfloat16)
    assert kd(low, low_responses, "bce").dtype == jnp.float32
    assert soft_dice(logits=low, mask=mask).dtype == jnp.float32
    expected = soft_dice(logits=low.astype(jnp.float32), mask=mask)
    np.testing.assert_array_equal(soft_dice(logits=low, mask=mask), expected)


def test_drift_is_the_mean_absolute_change_of_probability(logits, responses) -> None:
    expected = np.abs(sigmoid(logits) - sigmoid(responses)).mean((1, 2))
    np.testing.assert_allclose(drift(logits=logits, responses=responses), expected, rtol=1e-5)
    np.testing.assert_array_equal(drift(logits=logits, responses=logits), 0)
    opposite = np.full(SHAPE, 100, np.float32)
    np.testing.assert_array_equal(drift(logits=opposite, responses=-opposite), 1)
