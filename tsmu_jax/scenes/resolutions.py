"""How much ground the pixels of a scene's images cover, beside each other and beside those of the training."""

from tsmu_jax.errors import UserError
from tsmu_jax.scenes.pair import ScenePair

MOST_SCALE = 1.5  # an image may be so many times coarser or finer than those of the training
Metres = tuple[float, float]  # of ground that a pixel covers, down and across


def refuse(scene: ScenePair, trained: Metres) -> None:
    """Raises UserError where an image is much coarser or finer than those of the training.

    Args: trained: of a pixel of the network's input.
    """
    for name, image in scene.images.items():
        own, of_network = (f"{max(metres):.3g}" for metres in (image.grid.gsd_m, trained))
        held = f"--{name}={image.path}: a pixel covers {own} m, and one of the network's input {of_network} m"
        if _coarser(image.grid.gsd_m, trained) > MOST_SCALE:
            remedy = f"give a finer image, or --resolution={own} to map it as it is"
            raise UserError(f"{held}, too coarse to be enlarged; {remedy}")
        if _finer(image.grid.gsd_m, trained) > MOST_SCALE:
            remedy = f"give a coarser image, or --resolution={of_network} to average it"
            raise UserError(f"{held}, more than {MOST_SCALE} times finer than in training; {remedy}")


def warned(scene: ScenePair, wanted: Metres, trained: Metres | None) -> list[str]:
    """A line where the images, or one of them and those of the training, differ by more than MOST_SCALE.

    Args:
      wanted: of a pixel of the map.
      trained: of a pixel of the network's input in training; None where the model does not know it.
    """
    reference = trained or wanted
    held = {f"of --{name}": image.grid.gsd_m for name, image in scene.images.items()}
    times = [
        *(max(_coarser(one, reference), _finer(one, reference)) for one in held.values()),
        *(_coarser(one, other) for one in held.values() for other in held.values()),
    ]
    if max(times) <= MOST_SCALE:
        return []
    said = ", ".join(f"{_said(metres)} {whose}" for whose, metres in held.items())
    known = f"{_said(reference)} {'in training' if trained else 'of the map'}"
    return [f"warning: a pixel covers {said}, {known}: more than {MOST_SCALE} times apart, so the map may be worse"]


def _coarser(one: Metres, other: Metres) -> float:
    """How many times as long the pixels of one are, along the side where that is most."""
    return max(here / there for here, there in zip(one, other, strict=True))


def _finer(one: Metres, other: Metres) -> float:
    """How many times as short the pixels of one are, along both sides."""
    return min(there / here for here, there in zip(one, other, strict=True))


def _said(metres: Metres) -> str:
    down, across = (f"{side:.3g}" for side in metres)
    return f"{across} m" if down == across else f"{across} x {down} m"
