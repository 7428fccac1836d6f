r"""Draws how a scene's map depends on its windows: their size, where they begin, and whether they are cropped.

    python -m benchmarks.seams --model=runs/demo --decoder=mwcf --pre=before.tif --post=after.tif --resolution=10 \
        --picture=docs/seams.png

The scene is mapped as `tsmu_jax.predict` maps it, with windows of which 192 and 704 px are kept, and once without its
first 37 rows and columns, so that it begins between two multiples of any stride. The tiles, of 192 px, are answered one
by one and put side by side. Prints the largest difference of probability of each from the map with the large windows,
away from ground without data; for the shifted one, where its scene shows as much around as the halo. The exit code is 1
where maps of `tsmu_jax.predict` differ by more than .01.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np

SMALL, LARGE = 192, 704  # cores, px
SHIFT = 37  # px: no multiple of any network's stride
MOST = 0.01


def main() -> int:
    """Maps, compares and draws. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "decoder", "pre", "post"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--resolution", type=float, default=0.0, help="as of tsmu_jax.predict")
    parser.add_argument("--picture", type=Path, help="where to draw")
    options = parser.parse_args()
    small, large = (_mapped(options, core) for core in (SMALL, LARGE))
    cropped = {f"windows of {SMALL} px beside {LARGE} px, cropped": abs(small - large)}
    cropped[f"the scene from {SHIFT} px on, cropped"] = _shifted(options, large)
    apart = {f"tiles of {SMALL} px, not cropped": abs(_tiled(options, large.shape) - large)}
    for name, difference in (cropped | apart).items():
        found = difference[np.isfinite(difference)]
        if not found.size:
            raise SystemExit(f"{name}: the scene is too small to compare; give a larger one")
        print(f"{name}: up to {found.max():.3f}, above {MOST} in {np.mean(found > MOST):.2%} of the pixels")
    if options.picture:
        _draw(options.picture, large, cropped | apart)
    return int(max(np.nanmax(difference) for difference in cropped.values()) > MOST)


def _shifted(options: argparse.Namespace, whole: np.ndarray) -> np.ndarray:
    """Differences f32[h, w] of a map from one of the scene without its first rows and columns; elsewhere no number."""
    import rasterio
    from rasterio.windows import Window

    from tsmu_jax.models.saved import load_model
    from tsmu_jax.prediction.predictor import Predictor

    with tempfile.TemporaryDirectory() as scratch:
        moved = argparse.Namespace(**vars(options))
        for date in ("pre", "post"):
            with rasterio.open(getattr(options, date)) as file:
                window = Window(SHIFT, SHIFT, file.width - SHIFT, file.height - SHIFT)
                profile = file.profile | {"width": window.width, "height": window.height, "driver": "GTiff"}
                profile |= {"transform": file.window_transform(window)}
                setattr(moved, date, f"{scratch}/{date}.tif")
                with rasterio.open(f"{scratch}/{date}.tif", "w", **profile) as output:
                    output.write(file.read(window=window))
        part = _mapped(moved, LARGE)
    before = Predictor(load_model(options.model), decoder=options.decoder).halo.seen[0]
    result = np.full(whole.shape, np.nan, np.float32)
    result[SHIFT + before :, SHIFT + before :] = abs(whole[SHIFT:, SHIFT:] - part)[before:, before:]
    return result


def _mapped(options: argparse.Namespace, core: int) -> np.ndarray:
    """Probabilities f32[h, w] with windows of which `core` px are kept, not a number where there are no data."""
    import rasterio

    from tsmu_jax.models.saved import load_model
    from tsmu_jax.prediction.predictor import Predictor
    from tsmu_jax.scenes.run import map_scene

    model = load_model(options.model)
    predictor = Predictor(model, decoder=options.decoder)
    side = -(-(core + sum(predictor.halo.seen)) // model.network.stride) * model.network.stride
    gib = predictor.bytes_for(side**2) / 2**30
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "map"
        map_scene(
            options.model,
            Path(options.pre),
            Path(options.post),
            output,
            decoder=options.decoder,
            resolution_m=options.resolution,
            memory_gib=gib * (1 + 1e-9),
        )
        with rasterio.open(output / "probability.tif") as file:
            levels = file.read(1)
    return np.where(levels == 255, np.nan, levels / 250).astype(np.float32)


def _tiled(options: argparse.Namespace, shape: tuple[int, ...]) -> np.ndarray:
    """Probabilities of tiles that see nothing of their surroundings, for a scene at the network's resolution."""
    import rasterio

    from tsmu_jax.models.saved import load_model

    model = load_model(options.model)
    images = []
    for path in (options.pre, options.post):
        with rasterio.open(path) as file:
            images.append(np.moveaxis(file.read(), 0, -1))
    pair = np.concatenate(images, axis=-1)
    if pair.shape[:2] != shape:
        raise SystemExit(f"--pre, --post: {pair.shape[:2]} px are mapped at {shape}; give images on one grid of 8 bits")
    result = np.full(shape, np.nan, np.float32)
    for y in range(0, shape[0], SMALL):
        for x in range(0, shape[1], SMALL):
            tile = pair[y : y + SMALL, x : x + SMALL]
            height, width = (side // model.network.stride * model.network.stride for side in tile.shape[:2])
            if height and width:
                found = model.predict(tile[None, :height, :width], options.decoder)[0]
                result[y : y + height, x : x + width] = found
    return result


def _draw(path: Path, probability: np.ndarray, differences: dict[str, np.ndarray]) -> None:
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(1, 1 + len(differences), figsize=(15, 4.1), dpi=80, layout="constrained")
    axes[0].imshow(probability, vmin=0, vmax=1, cmap="magma")
    axes[0].set_title("probability of landslide")
    for axis, (name, difference) in zip(axes[1:], differences.items(), strict=True):
        drawn = axis.imshow(difference, vmin=0, vmax=0.2, cmap="viridis")
        axis.set_title(f"difference of\n{name}", fontsize=10)
    figure.colorbar(drawn, ax=axes[1:], shrink=0.8)
    for axis in axes:
        axis.axis("off")
    whole = io.BytesIO()
    figure.savefig(whole)
    Image.open(whole, formats=["PNG"]).convert("RGB").quantize(64).save(path, optimize=True)  # a third of the size


if __name__ == "__main__":
    sys.exit(main())
