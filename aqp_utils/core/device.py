"""Where PyTorch computes."""


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
