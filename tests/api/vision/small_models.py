"""ONNX files in the layouts of Ultralytics, of a few nodes each. What they see: how red and how blue the input is."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Layout = Literal["columns", "rows"]
FLOATS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
CENTRED = (48, 32, 32, 16)  # a box in pixels of the input: centre and size
CORNERS = (32, 24, 64, 40)  # the same: its corners


def told(**changed: str) -> dict[str, str]:
    """Metadata as Ultralytics 8.4 writes it."""
    return {
        "names": "{0: 'red thing', 1: 'blue thing'}",
        "imgsz": "[64, 96]",
        "stride": "32",
        "task": "detect",
    } | changed


def write(
    path: Path,
    layout: Layout,
    metadata: dict[str, str],
    *,
    sides: tuple[int | str, int | str] = (64, 96),
    kind: Literal["float32", "float16"] = "float32",
) -> Path:
    """One box; `columns` scores both labels by the mean of their channel, `rows` answers the second label alone."""
    number = FLOATS[kind]

    def constant(name: str, values: Any, dtype: Any = kind) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, dtype), name)

    place = CENTRED if layout == "columns" else CORNERS
    channels = [0, 2] if layout == "columns" else [2]
    tensors = [
        constant("channels", channels, "int64"),
        constant("box", np.array(place).reshape(1, 4, 1)),
        constant("label", [[[1]]]),
    ]
    tensors.append(constant("flat", [1, len(channels), 1], "int64"))
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["means"]),
        helper.make_node("Gather", ["means", "channels"], ["picked"], axis=1),
        helper.make_node("Reshape", ["picked", "flat"], ["scores"]),
    ]
    if layout == "columns":
        nodes.append(helper.make_node("Concat", ["box", "scores"], ["output0"], axis=1))
    else:
        nodes.append(helper.make_node("Concat", ["box", "scores", "label"], ["column"], axis=1))
        nodes.append(helper.make_node("Transpose", ["column"], ["output0"], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", number, [1, 3, *sides])],
        [helper.make_tensor_value_info("output0", number, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
