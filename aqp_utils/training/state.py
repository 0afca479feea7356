"""Long trainings that can be stopped: checkpoints that are whole or absent, and honest clocks."""

import json
import time

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from aqp_utils.core.files import atomic


def save_checkpoint(path, model, optimizer, progress):
    """Everything needed to go on, as one safetensors file that is whole or absent."""
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v.contiguous() for k, v in state.items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"progress": json.dumps(progress)})


def load_checkpoint(path, model, optimizer):
    """Restore what `save_checkpoint` saved; returns its progress."""
    tensors = load_file(path)
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    )
    states = {}
    for key in (k for k in tensors if k.startswith("optimizer.")):
        _, index, name = key.split(".")
        states.setdefault(int(index), {})[name] = tensors[key]
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["progress"])


class Clock:
    """Time spent over all the pieces of an interrupted run, and when the next checkpoint is due."""

    def __init__(self, progress, checkpoint_every_s):
        self.progress, self.every_s = progress, checkpoint_every_s
        self.wall_s = time.perf_counter() - progress["seconds"]
        self.cpu_s = time.process_time() - progress["cpu_seconds"]
        self.saved_s = progress["seconds"]

    def read(self):
        """Seconds so far, by the wall and by the processor."""
        self.progress["seconds"] = time.perf_counter() - self.wall_s
        self.progress["cpu_seconds"] = time.process_time() - self.cpu_s
        return {key: round(self.progress[key], 1) for key in ("seconds", "cpu_seconds")}

    def due(self):
        """Whether the last checkpoint is old enough; counts as saved if so."""
        if self.progress["seconds"] - self.saved_s < self.every_s:
            return False
        self.saved_s = self.progress["seconds"]
        return True
