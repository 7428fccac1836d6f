"""The host does not run far ahead of the devices: with two CPU devices and two threads, XLA would lock for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = 150

FEATURES = f"""
import jax
import numpy as np
from tsmu_jax.learning import features
from tsmu_jax.learning.parallel import AXIS
from tsmu_jax.learning.state import Model
from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import TableIXEncoder
from tsmu_jax.models.tsmu import Network, init_encoder

def network(axis_name):
    return Network(TableIXEncoder((16, 16), axis_name=axis_name), Decoder((4, 8, 8), axis_name=axis_name), channels=3)

trees = ({{"shared": tree}} for tree in init_encoder(network(None), jax.random.key(0)))
image = np.zeros((64, 64, 3), np.uint8)
pairs = range({STEPS} // 2)  # each with four flips
kept = features.store(network(AXIS), Model(*trees), lambda _: image, pairs=pairs, validation={{}}, batch_size=2)
"""

TRAINING = f"""
import itertools
import math
import tempfile
from pathlib import Path
import jax
import jax.numpy as jnp
import numpy as np
from tsmu_jax.learning.fit import Loop, fit
from tsmu_jax.learning.parallel import AXIS, pmap_train, shard
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.learning.state import TrainState

def loss_fn(kernel, images):
    axes = ("NHWC", "HWIO", "NHWC")
    for _ in range(4):
        images = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=axes)
    return jnp.square(images).mean()

def step(state, images, key):
    loss, gradient = jax.lax.psum(jax.value_and_grad(loss_fn)(state.params["kernel"], images), AXIS)
    params = {{"kernel": state.params["kernel"] - 1e-3 * gradient}}
    return state.replace(params=params, step=state.step + 1), {{"loss": loss}}

class Batches:
    wait_seconds = 0.0

    def __iter__(self):
        return itertools.repeat(shard({{"image": np.ones((4, 64, 64, 16), np.float32)}})["image"])

loop = Loop(
    step=pmap_train(step), batches=lambda first, end: Batches(), validate=lambda model: {{"validation/micro_iou": 0.5}},
    on_epoch=lambda scalars: None, on_step=lambda done, latest: None, directory=Path(tempfile.mkdtemp()),
    key=jax.random.key(0), identity="", epochs=1, steps_per_epoch={STEPS}, images_per_epoch=8, saturation=Saturation(0),
    checkpoint_seconds=math.inf,
)
kernel = np.full((3, 3, 16, 16), 1e-2, np.float32)
fitted = fit(loop, TrainState(step=np.int32(0), params={{"kernel": kernel}}, batch_stats={{}}, opt_state=()))
assert fitted.steps == {STEPS}
"""


@pytest.mark.parametrize("script", [FEATURES, TRAINING], ids=["features", "training"])
def test_two_devices_of_one_machine_do_not_lock(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PJRT_NPROC": "2"},  # XLA's threads, as on the smallest machine
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
