"""Give a dynamically quantised ONNX network its convolutions back in float.

Dynamic quantisation rounds weights once and activations in every run. In a network that makes
sound the latter is heard: between Kokoro's speech with and without it P.862.2 says 3.3 to 4.1, and
rough voices suffer most. With float convolutions the network is 20 % faster as well (ONNX Runtime
is slow at integer ones) and 2.7 times larger on disk. Weights stay rounded; matrix products and
recurrent layers, which decide what is said and when, stay integer.
"""

import os

import numpy as np


def float_convolutions(source, target):
    """Write the network in `source` to `target` with every ConvInteger as a Conv.

    Parameters
    ----------
    source, target : path
        ONNX files. What is replaced is the chain DynamicQuantizeLinear, ConvInteger, Add (of the
        bias, divided by the scale), Cast, Mul (by the scales of input and weights).

    Returns
    -------
    int
        How many convolutions were replaced.
    """
    import onnx

    network = onnx.load(str(source))
    graph = network.graph
    replaced = _replacements(graph)
    nodes = _needed([replaced.get(node.output[0], node) for node in graph.node], graph.output)
    _set(graph.node, nodes)
    read = {name for node in graph.node for name in node.input}
    _set(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in read])
    temporary = f"{target}.{os.getpid()}.part"
    onnx.save(network, temporary)
    os.replace(temporary, target)
    return len(replaced)


def _replacements(graph):
    """What a chain puts out in the end, by name -> the Conv that puts it out instead."""
    from onnx import helper, numpy_helper

    arrays = {tensor.name: tensor for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    reader = {name: node for node in graph.node for name in node.input}
    replaced = {}
    for node in [node for node in graph.node if node.op_type == "ConvInteger"]:
        quantise, after = maker[node.input[0]], reader[node.output[0]]
        bias = None
        if after.op_type == "Add":
            bias = _origin(_other(after, node.output[0]), arrays, maker)
            after = reader[after.output[0]]
        last = reader[after.output[0]]
        scales = maker[_other(last, after.output[0])]
        weight_scale = arrays[_other(scales, quantise.output[1])]
        weight, zero = (numpy_helper.to_array(arrays[node.input[k]]) for k in (1, 3))
        weight = (np.float32(weight) - np.float32(zero)) * numpy_helper.to_array(weight_scale)
        inputs = {f"{node.name}_weight": weight}
        if bias is not None:
            inputs[f"{node.name}_bias"] = numpy_helper.to_array(bias).ravel()
        graph.initializer.extend(
            numpy_helper.from_array(np.float32(array), name) for name, array in inputs.items()
        )
        convolution = helper.make_node("Conv", [quantise.input[0], *inputs], last.output)
        convolution.attribute.extend(node.attribute)
        replaced[last.output[0]] = convolution
    return replaced


def _other(node, name):
    """The input of a node of two that is not `name`."""
    return next(other for other in node.input if other != name)


def _origin(name, arrays, maker):
    """The array that `name` was computed from, following first inputs."""
    while name not in arrays:
        name = maker[name].input[0]
    return arrays[name]


def _needed(nodes, outputs):
    """The nodes that `outputs` depend on, in order."""
    read = {output.name for output in outputs}
    kept = []
    for node in reversed(nodes):
        if any(name in read for name in node.output):
            read.update(node.input)
            kept.append(node)
    return kept[::-1]


def _set(field, items):
    """Assign a repeated field of a protocol buffer."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)
