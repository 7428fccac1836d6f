"""The network of Table IX, its loss and its optimiser in PyTorch: what a user of that library would run.

Channels-last memory format throughout. Only this file and `peer_scenes.py` name PyTorch.
"""

import concurrent.futures
import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.predict import write_pairs
from benchmarks.worker import Job
from tsmu_jax.errors import UserError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError as error:
    raise UserError("PyTorch is not installed; pip install -e '.[benchmarks]'") from error

ENCODER = (8, 16, 32, 64, 128)
DECODER = (8, 16, 32, 64, 128, 256, 512)


def _conv(inputs: int, outputs: int, side: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)


class EncoderBlock(nn.Module):
    """1x1 shortcut to 2f; 1x1 to f, ReLU, 3x3 to f, ReLU, 1x1 to 2f; sum, BatchNorm, ReLU."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.shortcut, self.first = _conv(inputs, 2 * width, 1), _conv(inputs, width, 1)
        self.middle, self.last = _conv(width, width, 3), _conv(width, 2 * width, 1)
        self.norm = _norm(2 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Args: x: f[b, c, h, w]. Returns f[b, 2 f, h, w]."""
        path = torch.relu(self.middle(torch.relu(self.first(x))))
        return torch.relu(self.norm(self.shortcut(x) + self.last(path)))


class ConvNorm(nn.Module):
    """3x3 convolution, BatchNorm, ReLU."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.conv, self.norm = _conv(inputs, width, 3), _norm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Args: x: f[b, c, h, w]. Returns f[b, width, h, w]."""
        return torch.relu(self.norm(self.conv(x)))


class Network(nn.Module):
    """Encoder and one decoder."""

    def __init__(self, channels: int = 6, dropout: float = 0.1, width: float = 1.0, depth: int = 7):
        """Args: width: factor on the numbers of channels; depth: levels of the decoder. As our `make_network`."""
        super().__init__()
        encoder, decoder = ([max(1, round(width * c)) for c in widths] for widths in (ENCODER, DECODER[:depth]))
        inputs = (channels, *(2 * c for c in encoder))
        self.encoder = nn.Sequential(*(EncoderBlock(*each) for each in zip(inputs, encoder, strict=False)))
        self.down = nn.ModuleList(ConvNorm(*each) for each in zip((inputs[-1], *decoder), decoder, strict=False))
        narrower = list(zip(decoder[::-1], decoder[-2::-1], strict=False))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 3, stride=2) for wide, narrow in narrower)
        self.up = nn.ModuleList(ConvNorm(2 * narrow, narrow) for _, narrow in narrower)
        self.head = _conv(decoder[0], 1, 1)
        self.dropout = dropout

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Args: images: f32[b, c, h, w] in [0, 1]. Returns logits f[b, h, w]."""
        x, skips = self.encoder(images), []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for rise, block, skip in zip(self.rise, self.up, skips[-2::-1], strict=True):
            # Padding as in TensorFlow's and Flax's "SAME": the last row and column of 2 n + 1 fall away.
            x = torch.cat([rise(x)[:, :, :-1, :-1], skip], dim=1)
            x = block(functional.dropout(x, self.dropout, self.training))
        return self.head(x)[:, 0]


def sizes(network: Network) -> dict[str, int]:
    """Parameters and moving statistics of encoder and decoder, as Table IX counts them."""
    counts = {"encoder": 0, "decoder": 0}
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():  # BatchNorm's count of batches is none of ours
            counts["encoder" if name.startswith("encoder") else "decoder"] += tensor.numel()
    return counts


def copy_parameters(network: Network, params: Mapping[str, Any], stats: Mapping[str, Any]) -> None:
    """Gives the network the weights of ours.

    Args:
      params: {"shared": ..., "decoder": ...}, our parameters.
      stats: likewise, our batch statistics.
    """
    shared, decoder = (list(_layers(params[part], stats[part])) for part in ("shared", "decoder"))
    layers = {kind: iter([layer for name, layer in decoder if name == kind]) for kind, _ in decoder}
    encoder = {kind: iter([layer for name, layer in shared if name == kind]) for kind, _ in shared}
    for block in network.encoder:
        for conv in (block.shortcut, block.first):
            _fill(conv, next(encoder["Pointwise"]))
        _fill(block.middle, next(encoder["Conv"]))
        _fill(block.last, next(encoder["Pointwise"]))
        _fill(block.norm, next(encoder["BatchNorm"]))
    for block in (*network.down, *network.up):
        _fill(block.conv, next(layers["Conv"]))
        _fill(block.norm, next(layers["BatchNorm"]))
    for rise in network.rise:
        _fill(rise, next(layers["ConvTranspose"]))
    _fill(network.head, next(layers["Pointwise"]))


def _layers(params: Mapping[str, Any], stats: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(kind, arrays) of the layers, those of each kind in the order in which Flax numbered them."""
    for name in sorted(params, key=lambda name: int(name.rpartition("_")[2])):
        kind = name.rpartition("_")[0]
        arrays = params[name].get("Dense_0", params[name])
        yield kind, {**arrays, **stats.get(name, {})}


def _fill(layer: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    values = {key: torch.tensor(np.asarray(value)) for key, value in arrays.items()}
    if "mean" in values:
        names = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
        tensors = {names[key]: value for key, value in values.items()}
    else:
        kernel = values["kernel"]
        kernel = kernel[None, None] if kernel.ndim == 2 else kernel  # a matrix product is a 1x1 convolution
        if isinstance(layer, nn.ConvTranspose2d):  # which PyTorch flips, as a gradient of a convolution would be
            kernel = kernel.flip(0, 1).permute(2, 3, 0, 1)
        else:
            kernel = kernel.permute(3, 2, 0, 1)
        tensors = {"weight": kernel, "bias": values["bias"]}
    with torch.no_grad():
        for name, value in tensors.items():
            getattr(layer, name).copy_(value)


def soft_dice(logits: torch.Tensor, mask: torch.Tensor, smoothing: float = 1.0) -> torch.Tensor:
    """Mean over images of soft Dice. Args: logits: f32[b, h, w]; mask: f32[b, h, w]."""
    p = torch.sigmoid(logits)
    overlap, total = (mask * p).sum((1, 2)), mask.sum((1, 2)) + p.sum((1, 2))
    return (1 - (2 * overlap + smoothing) / (total + smoothing)).mean()


def make_optimizer(network: nn.Module, *, rate: float = 1e-3, weight_decay: float = 3e-4) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay of the kernels alone."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=True)


@dataclasses.dataclass(frozen=True)
class _Setting:
    """A network on its device, a batch of u8 images and f32 masks there, and what waits for the device."""

    network: Network
    images: torch.Tensor
    mask: torch.Tensor
    dtype: str
    wait: Callable[[], None]

    def answer(self, images: torch.Tensor) -> torch.Tensor:
        """Args: images: u8[b, c, h, w]. Returns logits f32[b, h, w]."""
        scaled = (images.float() / 255).contiguous(memory_format=torch.channels_last)
        mixed = self.dtype == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16) if mixed else contextlib.nullcontext():
            return self.network(scaled).float()


def _setting(size: int, batch: int, dtype: str) -> _Setting:
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True  # PyTorch tries its convolutions out, as XLA does
    random = np.random.default_rng(0)
    images = torch.tensor(random.integers(0, 256, (batch, 6, size, size), np.uint8), device=device)
    mask = torch.tensor(random.integers(0, 2, (batch, size, size)), device=device).float()
    network = Network().to(device, memory_format=torch.channels_last)
    return _Setting(network, images, mask, dtype, torch.cuda.synchronize if cuda else lambda: None)


def train_step(size: int, batch: int, dtype: str = "float32", compiled: bool = False) -> Job:
    """A step of initial training, from u8 images on the device to new parameters."""
    setting = _setting(size, batch, dtype)
    setting.network.train()
    optimizer = make_optimizer(setting.network)

    def loss(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return soft_dice(setting.answer(images), mask)

    called = torch.compile(loss) if compiled else loss

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        called(setting.images, setting.mask).backward()
        optimizer.step()
        setting.wait()

    return Job(run, warmup=3, lead=2)


def inference(size: int, batch: int, dtype: str = "float32", compiled: bool = False) -> Job:
    """Logits of a batch, from u8 images on the device."""
    setting = _setting(size, batch, dtype)
    setting.network.eval()
    called = torch.compile(setting.answer) if compiled else setting.answer

    def run() -> None:
        with torch.inference_mode():
            called(setting.images)
        setting.wait()

    return Job(run, warmup=3, lead=2)


def predict(size: int, batch: int, dtype: str = "float32", compiled: bool = False) -> Job:
    """A folder of `batch` pairs, from PNG files to PNG files: threads read ahead and write behind, as on our side."""
    at_once = min(batch, 32 if torch.cuda.is_available() else 4)
    setting = _setting(size, at_once, dtype)
    setting.network.eval()
    called = torch.compile(setting.answer) if compiled else setting.answer
    directory = write_pairs(batch, size)
    path = Path(directory.name)
    identities = sorted(file.name.removesuffix("_post.png") for file in path.glob("input/*_post.png"))

    def read(identity: str) -> np.ndarray:
        dates = [Image.open(path / "input" / f"{identity}_{date}.png").convert("RGB") for date in ("pre", "post")]
        return np.concatenate([np.asarray(date) for date in dates], axis=-1)

    def write(folder: Path, identity: str, probability: np.ndarray) -> None:
        for role, values in (("probability", np.round(250 * probability)), ("mask", 255 * (probability > 0.5))):
            Image.fromarray(values.astype(np.uint8)).save(folder / f"{identity}_{role}.png", compress_level=1)

    def run() -> None:
        folder = Path(tempfile.mkdtemp(dir=path))
        with concurrent.futures.ThreadPoolExecutor() as pool, torch.inference_mode():
            images, written = pool.map(read, identities), []
            for start in range(0, batch, at_once):
                names = identities[start : start + at_once]
                stack = np.stack([next(images) for _ in names])
                padded = np.pad(stack, ((0, at_once - len(names)), (0, 0), (0, 0), (0, 0)))
                sent = torch.from_numpy(padded).to(setting.images.device).permute(0, 3, 1, 2)
                answers = torch.sigmoid(called(sent)).cpu().numpy()
                written += [pool.submit(write, folder, *each) for each in zip(names, answers, strict=False)]
            for each in written:
                each.result()

    return Job(run, warmup=3, close=directory.cleanup)
