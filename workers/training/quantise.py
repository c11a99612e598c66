"""Static int8: measures the ranges of a float32 ONNX file on calibration pictures and writes its quantised twin."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from workers.training import onnx_file

# The convolutions and all that lies between them: numbers stay int8 on the way. Leaving out even the activations costs
# as much time as it saves (25 against 15 ms for five crops) and takes the cosine to float32 from 0.997 down to 0.95.
OPERATORS = [
    "Conv", "Gemm", "Add", "Mul", "Clip", "Relu", "Sigmoid", "HardSigmoid", "Concat", "MaxPool", "Resize",
    "GlobalAveragePool", "Split",
]  # fmt: skip


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Feeds batches once."""

    def __init__(self, name: str, batches: Iterable[NDArray[np.float32]]) -> None:
        self._batches: Iterator[NDArray[np.float32]] = iter(batches)
        self._name = name

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def static_int8(
    model: onnx.ModelProto,
    target: Path,
    batches: Iterable[NDArray[np.float32]],
    *,
    inputs: str = "images",
    exclude: Iterable[str] = (),
) -> Path:
    """Weights int8 a channel, activations uint8; `exclude` names further nodes that stay float32 (see outside).
    Returns `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        plain, ready = Path(folder) / "plain.onnx", Path(folder) / "ready.onnx"
        onnx.save(model, plain)
        # Folds batch norms that tracing left; symbolic shapes are not needed for it and fail on some networks.
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            target,
            Calibration(inputs, batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[*outside(onnx.load(ready)), *exclude],
        )
    quantised = onnx.load(target)
    onnx_file.compact(quantised)
    onnx.save(quantised, target)
    return target


def outside(model: onnx.ModelProto) -> list[str]:
    """Nodes before the first and behind the last convolution, and the first convolution itself: pixels and vectors need
    their precision, and three channels cost little."""
    nodes = list(model.graph.node)
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    maker = {output: i for i, node in enumerate(nodes) for output in node.output}
    before = [[maker[name] for name in node.input if name in maker] for node in nodes]
    convolutions = {
        i for i, node in enumerate(nodes) if node.op_type == "Conv" and shapes.get(node.input[1], [2])[0] > 1
    }
    below_one: set[int] = set()  # nodes are sorted: what a node takes comes before it
    for i in range(len(nodes)):
        if any(j in convolutions or j in below_one for j in before[i]):
            below_one.add(i)
    above_one: set[int] = set()
    for i in reversed(range(len(nodes))):
        if i in convolutions or i in above_one:
            above_one.update(before[i])
    # the activation of a last convolution is one with it
    last = convolutions - above_one
    activations = {i for i in range(len(nodes)) if nodes[i].op_type in {"Clip", "Relu"} and set(before[i]) & last}
    between = (below_one & above_one) | convolutions | activations
    first = convolutions - below_one
    return [node.name for i, node in enumerate(nodes) if i not in between or i in first]
