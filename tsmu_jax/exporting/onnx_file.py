"""ONNX: one file for each decoder, built operation by operation, and checked against the saved model before it is kept.

There is a converter from JAX to ONNX. It brings two dozen packages, and its newer releases an older Orbax than ours.
The network has seven kinds of operations.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.exporting import operations
from tsmu_jax.exporting.operations import EPSILON, INPUT, LOGITS, Operation
from tsmu_jax.models.saved import SavedModel

OPSET, IR_VERSION = 17, 8  # onnxruntime has read them since its release 1.12, of 2022
OUTPUT = "probability"
MOST_DIFFERENCE = 1e-3  # of probabilities, to the saved model's in float32


def build(model: SavedModel, decoder: str, *, side: int, metadata: Mapping[str, str]) -> bytes:
    """Serialises a decoder with its encoder.

    The graph takes images f32[batch, c, side, side] in [0, 1] and returns calibrated probabilities
    f32[batch, 1, side, side]. It computes in float32.

    Args:
      side: of the images, a multiple of the network's stride.
      metadata: texts that the file carries.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = _Graph(operations.arrays(model, (decoder,)))
    for one in (
        *operations.encoder_operations(model.network),
        *operations.decoder_operations(model.network, decoder),
    ):
        graph.add(one)
    temperature = np.array(model.description["decoders"][decoder]["calibration"]["temperature"], np.float32)
    graph.node("Div", [LOGITS, graph.array("temperature", temperature)], "calibrated")
    graph.node("Sigmoid", ["calibrated"], OUTPUT)
    shapes: dict[str, list[str | int | None]] = {
        INPUT: ["batch", model.network.channels, side, side],
        OUTPUT: ["batch", 1, side, side],
    }
    taken, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    initial = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in graph.arrays.items()]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "landslide", [taken], [made], initial),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tsmu_jax",
    )
    helper.set_model_props(proto, dict(metadata))
    checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def in_float32(model: SavedModel) -> SavedModel:
    """The model as ONNX computes, whatever its own precision."""
    network = model.description["network"]
    if network.get("dtype", "float32") == "float32":
        return model
    return dataclasses.replace(model, description={**model.description, "network": {**network, "dtype": "float32"}})


def difference(data: bytes, model: SavedModel, decoder: str, images: np.ndarray) -> float:
    """The largest difference of probabilities between onnxruntime and a saved model.

    Args:
      data: as `build` returns them.
      model: as `in_float32` returns it.
      images: f32[b, side, side, c] in [0, 1].

    Raises:
      UserError: it is larger than MOST_DIFFERENCE.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (answer,) = session.run([OUTPUT], {INPUT: np.ascontiguousarray(images.transpose(0, 3, 1, 2))})
    found = float(np.abs(np.asarray(answer)[:, 0] - model.predict(images, decoder)).max())
    if not found <= MOST_DIFFERENCE:
        reason = f"ONNX answers otherwise than the model, by {found:.2g} of a probability"
        raise UserError(f"{model.path}: decoder {decoder}: {reason}; leave onnx out of --format, and report this")
    return found


class _Graph:
    """Nodes and arrays in ONNX's layout: [b, c, h, w], kernels [out, in, h, w]."""

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        self._stored = stored
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))

    def array(self, name: str, value: np.ndarray) -> str:
        self.arrays[name] = value
        return name

    def add(self, one: Operation) -> None:
        plain = {"relu": "Relu", "add": "Add"}
        if one.kind in plain:
            self.node(plain[one.kind], one.inputs, one.output)
        elif one.kind == "concatenate":
            self.node("Concat", one.inputs, one.output, axis=1)
        elif one.kind == "max_pool":
            self.node("MaxPool", one.inputs, one.output, kernel_shape=[2, 2], strides=[2, 2])
        elif one.kind == "normalize":
            own = [self._own(one, role) for role in ("scale", "bias", "mean", "var")]
            self.node("BatchNormalization", [*one.inputs, *own], one.output, epsilon=EPSILON)
        elif one.kind == "conv":
            kernel = self._stored[one.arrays["kernel"]]
            kernel = kernel[None, None] if kernel.ndim == 2 else kernel
            inputs = [*one.inputs, self.array(one.arrays["kernel"], kernel.transpose(3, 2, 0, 1)), *self._bias(one)]
            self.node("Conv", inputs, one.output, group=one.groups, pads=[len(kernel) // 2] * 4)
        else:
            assert one.kind == "conv_transpose"
            self._conv_transpose(one)

    def _conv_transpose(self, one: Operation) -> None:
        """ONNX adds tap k of input i to output 2 i + k; ours does so with the taps in the opposite order.

        A kernel of three taps leaves one row and one column too many at the end.
        """
        kernel = self._stored[one.arrays["kernel"]][::-1, ::-1].transpose(2, 3, 0, 1)
        inputs = [*one.inputs, self.array(one.arrays["kernel"], kernel), *self._bias(one)]
        beyond = kernel.shape[-1] - 2
        self.node("ConvTranspose", inputs, one.output, strides=[2, 2], pads=[0, 0, beyond, beyond])

    def _bias(self, one: Operation) -> list[str]:
        return [self._own(one, "bias")] if "bias" in one.arrays else []

    def _own(self, one: Operation, role: str) -> str:
        return self.array(one.arrays[role], self._stored[one.arrays[role]])
