"""Where PyTorch computes, and on how many processors everything else does."""

import os


def torch_device(name="auto"):
    """Name of the device to compute on.

    Parameters
    ----------
    name : str
        "auto" (a GPU if there is one, else the CPU), or what PyTorch takes, such as "cuda".

    Returns
    -------
    str
    """
    if name != "auto":
        return name
    import torch  # takes a second to import, which those who never compute need not wait for

    return "cuda" if torch.cuda.is_available() else "cpu"


def n_threads():
    """Threads to compute with: the processors of this process, or what OMP_NUM_THREADS says."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
