import numpy as np
import pytest

from aqp_utils.sources.neural.float_convolutions import float_convolutions

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

WEIGHT = np.random.default_rng(0).integers(0, 256, (4, 3, 5)).astype(np.uint8)
ZERO, SCALE = np.uint8(131), np.float32(0.02)
BIAS = np.array([0.5, -1.0, 0.0, 2.0], np.float32)


def quantised_network(path, with_bias):
    """A convolution of 3 channels into 4, as dynamic quantisation writes it."""
    node, array = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "x_scale", "x_zero"]),
        node("ConvInteger", ["q", "w", "x_zero", "w_zero"], ["integer"], "conv", pads=[2, 2]),
        node("Mul", ["x_scale", "w_scale"], ["scales"]),
        node("Cast", ["sum" if with_bias else "integer"], ["real"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["real", "scales"], ["y"]),
    ]
    if with_bias:
        nodes[3:3] = [
            node("Div", ["b", "scales"], ["b_scaled"]),
            node("Floor", ["b_scaled"], ["b_floor"]),
            node("Cast", ["b_floor"], ["b_integer"], to=onnx.TensorProto.INT32),
            node("Reshape", ["b_integer", "shape"], ["b_shaped"]),
            node("Add", ["integer", "b_shaped"], ["sum"]),
        ]
    arrays = {"w": WEIGHT, "w_zero": ZERO, "w_scale": SCALE, "b": BIAS}
    arrays["shape"] = np.array([1, 4, 1])
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "test",
        [tensor("x", onnx.TensorProto.FLOAT, [1, 3, None])],
        [tensor("y", onnx.TensorProto.FLOAT, [1, 4, None])],
        [array(np.asarray(values), name) for name, values in arrays.items()],
    )
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def run(path, x):
    return onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]


@pytest.mark.parametrize("with_bias", [False, True])
def test_float_convolutions_round_no_activations(tmp_path, with_bias):
    quantised_network(tmp_path / "int8.onnx", with_bias)
    assert float_convolutions(tmp_path / "int8.onnx", tmp_path / "float.onnx") == 1
    x = np.random.default_rng(1).standard_normal((1, 3, 40)).astype(np.float32)
    weight = (WEIGHT.astype(np.float64) - ZERO) * SCALE
    padded = np.pad(x[0].astype(np.float64), ((0, 0), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1)
    exact = np.einsum("oik,itk->ot", weight, windows) + (BIAS[:, None] if with_bias else 0)
    with_float, with_int8 = (run(tmp_path / f"{name}.onnx", x)[0] for name in ("float", "int8"))
    np.testing.assert_allclose(with_float, exact, atol=1e-4)
    assert 0.001 < np.abs(with_int8 - exact).max() < 0.5
    kinds = {node.op_type for node in onnx.load(tmp_path / "float.onnx").graph.node}
    assert kinds == {"Conv"}
