"""The encoders that ship as graphs of ONNX: `python -m aqp_utils.training.graphs` writes them.

A graph says what is computed and with which names and shapes of weights; the weights themselves
stay in their safetensors files and are given to it when it is loaded (`encoders/session`). So new
weights of the same shape need no new graph, and no weight lies in the repository twice.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from aqp_utils.core.package import ASSETS
from aqp_utils.core.sealed import hashes, write_sealed
from aqp_utils.encoders import log_mel, shape
from aqp_utils.encoders.session import CARD, ENCODER, SPECTROGRAM

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # read by every onnxruntime that has this opset
EPSILON = 1e-5  # of the layer norms
FLOAT = TensorProto.FLOAT


class Graph:
    """Nodes and the names and shapes of weights, collected one by one."""

    def __init__(self):
        self.nodes, self.weights, self.constants = [], [], []

    def node(self, operator, *inputs, **attributes):
        """Add an operator; gives the name of its output."""
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def weight(self, name, *sizes):
        """Declare a weight that is given when the graph is loaded; gives its name."""
        tensor = TensorProto(name=name, dims=sizes, data_type=FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
        self.weights.append(tensor)
        return name

    def constant(self, *values, kind=np.int64):
        """A constant vector; gives its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def linear(self, x, name, n_in, n_out):
        """`x` @ weight + bias over the last axis."""
        product = self.node("MatMul", x, self.weight(f"{name}.weight", n_in, n_out))
        return self.node("Add", product, self.weight(f"{name}.bias", n_out))

    def layer_norm(self, x, name, size):
        """Layer norm over the last axis."""
        scale, bias = self.weight(f"{name}.weight", size), self.weight(f"{name}.bias", size)
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def part(self, x, start, stop, axis):
        """`x` from `start` to `stop` along an axis."""
        ends = (self.constant(value) for value in (start, stop, axis))
        return self.node("Slice", x, *ends)

    def mean(self, x):
        """Mean over axis 1, time."""
        return self.node("ReduceMean", x, self.constant(1), keepdims=0)

    def spread(self, x):
        """Standard deviation over axis 1, time, of all values."""
        middle = self.node("ReduceMean", x, self.constant(1), keepdims=1)
        off = self.node("Sub", x, middle)
        return self.node("Sqrt", self.mean(self.node("Mul", off, off)))

    def model(self, given, outputs):
        """The graph as bytes; `given` and `outputs` map names to shapes."""
        for name, (made, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [made], [name], f"to_{name}"))
        graph = helper.make_graph(
            self.nodes,
            "aqp",
            [helper.make_tensor_value_info(name, FLOAT, sizes) for name, sizes in given.items()],
            [helper.make_tensor_value_info(k, FLOAT, sizes) for k, (_, sizes) in outputs.items()],
            initializer=[*self.constants, *self.weights],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="aqp",
        )
        return model.SerializeToString(deterministic=True)


LARGEST = 2**31 - 1  # to the end of an axis


def encoder_graph():
    """The Wav2Vec2 of `encoders.shape`: frames (b, frames, 400) to mean and spread of all layers.

    Its convolutions step by a fraction of their width, so each is a product of a matrix with the
    frames of the layer below, a few side by side: time stays in front of the channels, where the
    layer norms want it, and nothing is turned around.
    """
    graph = Graph()
    state = _convolutions(graph, "frames")
    size = shape.SHAPE["hidden_size"]
    state = graph.layer_norm(state, "projection.norm", shape.SHAPE["conv_dim"][-1])
    state = graph.linear(state, "projection", shape.SHAPE["conv_dim"][-1], size)
    state = graph.node("Add", state, _positions(graph, state))
    states = [graph.layer_norm(state, "norm", size)]
    for number in range(shape.SHAPE["num_hidden_layers"]):
        states.append(_layer(graph, states[-1], f"layers.{number}"))
    outputs = {}
    for name, pool in (("mean", graph.mean), ("spread", graph.spread)):
        rows = [graph.node("Unsqueeze", pool(one), graph.constant(1)) for one in states]
        outputs[name] = graph.node("Concat", *rows, axis=1), ["b", len(states), size]
    return graph.model({"frames": ["b", "frames", shape.SHAPE["conv_kernel"][0]]}, outputs)


def _convolutions(graph, state):
    below = 1
    settings = zip(*(shape.SHAPE[f"conv_{x}"] for x in ("kernel", "stride", "dim")), strict=True)
    for number, (kernel, stride, size) in enumerate(settings):
        if number:
            n_blocks, rest = divmod(kernel, stride)
            assert not rest, "a width is no multiple of its step"
            blocks = graph.node("Reshape", state, graph.constant(0, -1, stride * below))
            ends = [n + 1 - n_blocks or LARGEST for n in range(n_blocks)]
            beside = [graph.part(blocks, start, end, 1) for start, end in enumerate(ends)]
            state = graph.node("Concat", *beside, axis=2)
        state = graph.linear(state, f"convolutions.{number}", kernel * below, size)
        state = graph.node("Gelu", graph.layer_norm(state, f"convolutions.{number}.norm", size))
        below = size
    return state


def _positions(graph, state):
    """The convolution that tells the layers what is near: over time, in groups of channels."""
    size, kernel = shape.SHAPE["hidden_size"], shape.SHAPE["num_conv_pos_embeddings"]
    groups = shape.SHAPE["num_conv_pos_embedding_groups"]
    weight = graph.weight("positions.weight", size, size // groups, kernel)
    turned = graph.node("Transpose", state, perm=[0, 2, 1])
    bias = graph.weight("positions.bias", size)
    wide = graph.node(
        "Conv", turned, weight, bias, group=groups, pads=[kernel // 2, kernel // 2 - 1]
    )
    return graph.node("Gelu", graph.node("Transpose", wide, perm=[0, 2, 1]))


def _layer(graph, state, name):
    """One transformer layer: attention, then two linear layers, a layer norm after each."""
    size, heads = shape.SHAPE["hidden_size"], shape.SHAPE["num_attention_heads"]
    inside = shape.SHAPE["intermediate_size"]
    asked = graph.linear(state, f"{name}.attention", size, 3 * size)
    split = graph.node("Reshape", asked, graph.constant(0, 0, 3 * heads, size // heads))
    split = graph.node("Transpose", split, perm=[0, 2, 1, 3])
    query, key, value = (graph.part(split, n * heads, (n + 1) * heads, 1) for n in range(3))
    key = graph.node("Transpose", key, perm=[0, 1, 3, 2])
    weights = graph.node("Softmax", graph.node("MatMul", query, key), axis=-1)
    heard = graph.node("Transpose", graph.node("MatMul", weights, value), perm=[0, 2, 1, 3])
    heard = graph.node("Reshape", heard, graph.constant(0, 0, size))
    state = graph.node("Add", state, graph.linear(heard, f"{name}.out", size, size))
    state = graph.layer_norm(state, f"{name}.norm", size)
    wide = graph.node("Gelu", graph.linear(state, f"{name}.wide", size, inside))
    state = graph.node("Add", state, graph.linear(wide, f"{name}.narrow", inside, size))
    return graph.layer_norm(state, f"{name}.final_norm", size)


def spectrogram_graph():
    """The encoder of `encoders.spectrogram`: image (b, 2, 48, frames) to embedding (b, 512).

    Its batch norms are no operators: at rest each is a factor and an offset per channel, which go
    into the weights before it.
    """
    graph, state, below = Graph(), "image", len(log_mel.WINDOWS)
    for number, channels in enumerate(log_mel.CHANNELS):
        size, stride = log_mel.KERNELS[number]
        weight = graph.weight(f"layers.{number}.weight", channels, below, size, size)
        bias = graph.weight(f"layers.{number}.bias", channels)
        steps = {"pads": [size // 2] * 4, "strides": [stride] * 2}
        state = graph.node("Relu", graph.node("Conv", state, weight, bias, **steps))
        if number:
            state = graph.node("MaxPool", state, kernel_shape=[2, 2], strides=[2, 2])
        below = channels
    inside = below * log_mel.N_MELS // 2 ** len(log_mel.CHANNELS)
    state = graph.node("Reshape", state, graph.constant(0, inside, -1))
    state = graph.node("Transpose", state, perm=[0, 2, 1])
    state = graph.node("Relu", graph.linear(state, "frame", inside, log_mel.WIDTH))
    state = graph.node("Concat", graph.mean(state), graph.spread(state), axis=1)
    size = 2 * log_mel.WIDTH
    state = graph.node("Mul", state, graph.weight("norm.weight", size))
    state = graph.node("Add", state, graph.weight("norm.bias", size))
    given = {"image": ["b", len(log_mel.WINDOWS), log_mel.N_MELS, "frames"]}
    return graph.model(given, {"embedding": (state, ["b", size])})


def write_graphs(folder=ASSETS / "graphs"):
    """Write both graphs, and the sealed card with their hashes.

    Parameters
    ----------
    folder : path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in ((ENCODER, encoder_graph), (SPECTROGRAM, spectrogram_graph)):
        (folder / name).write_bytes(build())
    card = {"opset": OPSET, "documents": hashes(folder, (ENCODER, SPECTROGRAM))}
    write_sealed(folder / CARD, card)


if __name__ == "__main__":
    write_graphs()
