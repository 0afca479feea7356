"""How much of what was said can be understood: STOI, as a target beside the score.

Short-time objective intelligibility after Taal, Hendriks, Heusdens & Jensen (2011), "An algorithm
for intelligibility prediction of time-frequency weighted noisy speech", IEEE TASLP 19. Theirs runs
at 10 kHz; here the frames are as long in seconds, and the sixteen kilohertz stay.
"""

import torch

from aqp_utils.core.audio import SAMPLE_RATE

FRAME, HOP, N_FFT = 410, 205, 512  # 25.6 ms, half of it
LOWEST_HZ, N_BANDS = 150.0, 15  # thirds of an octave
SEGMENT = 30  # frames, 384 ms
HEARD_DB = 40.0  # frames further under the loudest of the clean clip do not count
LEAST_SDR_DB = -15.0  # what is worse than that in a cell counts as this


def _third_octaves():
    """Which bins each band sums, (N_BANDS, bins)."""
    hz = torch.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    centres = LOWEST_HZ * 2 ** (torch.arange(N_BANDS) / 3)
    low, high = centres[:, None] * 2 ** (-1 / 6), centres[:, None] * 2 ** (1 / 6)
    return ((hz >= low) & (hz < high)).float()


def _frames(audio):
    window = torch.hann_window(FRAME, device=audio.device)
    return audio.unfold(-1, FRAME, HOP) * window


@torch.no_grad()
def stoi(clean, heard):
    """STOI of some damaged versions of one clip.

    Parameters
    ----------
    clean : Tensor, shape (n,)
        16 kHz.
    heard : Tensor, shape (b, n)
        In time with it.

    Returns
    -------
    Tensor, shape (b,)
        0 to 1; NaN where the clean clip has fewer than 30 frames that can be heard.
    """
    both = _frames(torch.cat([clean[None], heard]))
    level_db = 20 * both[0].norm(dim=1).clamp(min=1e-9).log10()
    both = both[:, level_db > level_db.max() - HEARD_DB]
    if both.shape[1] < SEGMENT:
        return torch.full((len(heard),), torch.nan, device=heard.device)
    power = torch.fft.rfft(both, N_FFT).abs().square()
    cells = (power @ _third_octaves().to(power).T).sqrt()  # (b + 1, frames, bands)
    segments = cells.unfold(1, SEGMENT, 1)  # (b + 1, segments, bands, SEGMENT)
    clean, heard = segments[:1], segments[1:]
    gain = clean.norm(dim=-1, keepdim=True) / heard.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    heard = torch.minimum(gain * heard, clean * (1 + 10 ** (-LEAST_SDR_DB / 20)))
    clean, heard = (x - x.mean(dim=-1, keepdim=True) for x in (clean, heard))
    return torch.cosine_similarity(clean, heard, dim=-1).mean(dim=(1, 2))
