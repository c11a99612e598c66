"""Writes a PyTorch module as a small ONNX file; knows nothing of what the module does."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxslim
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

# 20 is the newest opset the tracing exporter writes.
OPSET = 20
# Below this many numbers a tensor is kept in full precision: nothing to gain, and scales and biases stay exact.
COMPACT_FROM = 1024


def export(
    module: nn.Module,
    example: torch.Tensor,
    path: Path,
    *,
    inputs: str,
    outputs: str | Sequence[str],
    dynamic: dict[str, dict[int, str]],
) -> None:
    """Trace `module` on `example` and write it, weights stored as float16, computed as float32."""
    save_compact(trace(module, example, path, inputs=inputs, outputs=outputs, dynamic=dynamic), path)


def trace(
    module: nn.Module,
    example: torch.Tensor,
    path: Path,
    *,
    inputs: str,
    outputs: str | Sequence[str],
    dynamic: dict[str, dict[int, str]],
) -> onnx.ModelProto:
    """The slimmed graph in full precision; `path` is written on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        # It says what it cannot fold; onnxslim folds it afterwards.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            opset_version=OPSET,
            input_names=[inputs],
            output_names=[outputs] if isinstance(outputs, str) else list(outputs),
            dynamic_axes=dynamic,
            dynamo=False,
        )
    slim: onnx.ModelProto = onnxslim.slim(onnx.load(path))
    return slim


def save_compact(model: onnx.ModelProto, path: Path) -> None:
    compact(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def compact(model: onnx.ModelProto) -> None:
    """Store the large weights as float16 behind a cast, which ONNX Runtime folds away when it loads the file.

    Halves the file; the arithmetic stays float32. Measured on the embedder: one of 552 first neighbours changed.
    """
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < COMPACT_FROM:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, tensor.name + "_f16"))
        casts.append(helper.make_node("Cast", [tensor.name + "_f16"], [tensor.name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
