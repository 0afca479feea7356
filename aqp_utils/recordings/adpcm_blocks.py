"""Microsoft ADPCM block by block: each begins with a predictor and a step, which have limits.

The format (Microsoft, Multimedia Standards Update, 1994) has no checksum, and libsndfile decodes
whatever stands there: a block of zeros, say, becomes a moment of noise or silence without a word.
"""

import numpy as np

TAG = 2  # of the fmt chunk
PREDICTORS, SMALLEST_STEP = 7, 16
MOST_DAMAGED = 0.02  # share of blocks that may be damaged with a note; more is refused
AT_ONCE = 4096  # blocks


def check_adpcm(file, start, length, claim):
    """Hold the head of every block against the limits of the format.

    Parameters
    ----------
    file : binary file
    start, length : int
        Of the audio in the file, in bytes.
    claim : wav_header.Format

    Returns
    -------
    list of str
        A note if a block is damaged.

    Raises
    ------
    ValueError
        If more than 2 % of the blocks are.
    """
    size, channels = claim.frame_bytes, claim.channels
    n_blocks = length // size if size >= 7 * channels else 0
    damaged = 0
    for first in range(0, n_blocks, AT_ONCE):
        file.seek(start + first * size)
        content = np.frombuffer(file.read(min(AT_ONCE, n_blocks - first) * size), np.uint8)
        blocks = content[: len(content) // size * size].reshape(-1, size)
        steps = np.ascontiguousarray(blocks[:, channels : 3 * channels]).view("<i2")
        wrong = (blocks[:, :channels] >= PREDICTORS) | (steps < SMALLEST_STEP)
        damaged += int(wrong.any(axis=1).sum())
    if not damaged:
        return []
    sentence = f"{damaged} of {n_blocks} blocks of ADPCM begin with what no encoder writes"
    if damaged > MOST_DAMAGED * n_blocks:
        raise ValueError(f"damaged: {sentence}")
    return [f"damaged: {sentence}"]
