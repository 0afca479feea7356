"""The graphs that ship, read, checked and made ready to compute by onnxruntime.

`assets/graphs` holds what is computed (`training/graphs` wrote it), the safetensors files hold the
weights; here the two meet.
"""

import hashlib

import numpy as np
import onnxruntime

from aqp_utils.core.package import ASSETS
from aqp_utils.encoders.card import read_sealed
from aqp_utils.encoders.catalog import EncoderError

GRAPHS = ASSETS / "graphs"
CARD, ENCODER, SPECTROGRAM = "card.json", "encoder.onnx", "spectrogram.onnx"
ERRORS_ONLY = 3  # as onnxruntime counts


class Session:
    """A graph with its weights.

    Parameters
    ----------
    name : str
        Of the file in `GRAPHS`.
    weights : dict
        Name -> ndarray of float32: those that the graph declares.

    Raises
    ------
    EncoderError
        If the graph was changed, or these are not its weights.
    """

    def __init__(self, name, weights):
        content = _read(name)
        # onnxruntime computes with these arrays where they are, so they are kept.
        self._weights = {
            key: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
            for key, value in weights.items()
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # clips go side by side
        options.log_severity_level = ERRORS_ONLY
        # Clips have all lengths, and what is kept for one would be kept for each.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises many kinds for weights that do not fit
            reason = str(error).splitlines()[0]
            raise EncoderError(
                f"ENCODER embedded: the weights do not fit the graph {name} ({reason}); install "
                "the package again."
            ) from None

    def __call__(self, given, output):
        """The array `output` of the graph for the array `given`.

        Raises
        ------
        RuntimeError
            If it cannot be computed, mostly for want of memory.
        """
        name = self._session.get_inputs()[0].name
        try:
            return self._session.run([output], {name: given})[0]
        except Exception as error:  # onnxruntime's own kinds have nothing else in common
            raise RuntimeError(str(error).splitlines()[0]) from None


def _read(name):
    """Bytes of a graph, as they were sealed."""
    expected = read_sealed(GRAPHS / CARD)["documents"].get(name)
    path = GRAPHS / name
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != expected:
        raise EncoderError(
            f"ENCODER embedded: {path} is missing, changed or damaged; install it again."
        )
    return content
