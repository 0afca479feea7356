import numpy as np
import torch

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.encoders.spectrogram import FLOOR, N_MELS, SpectrogramEncoder
from aqp_utils.sources.formant_voice import speech_clip

CLIP = speech_clip(1.0, np.random.default_rng(0))[0]


def test_a_tone_stands_in_the_band_of_its_frequency():
    encoder = SpectrogramEncoder()
    time_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    for hertz in (300.0, 1000.0, 5000.0):
        images = encoder.log_mel(torch.sin(2 * torch.pi * hertz * time_s).unsqueeze(0))[0]
        assert images.shape == (2, N_MELS, 201) and images.min() >= np.log10(FLOOR) - 1e-4
        loudest = int(images[0].mean(dim=1).argmax())
        weights = encoder.filters[::2, loudest]  # of the squared real parts
        middle_hz = (weights * torch.linspace(0, SAMPLE_RATE / 2, len(weights))).sum()
        assert abs(middle_hz / weights.sum() - hertz) < 0.15 * hertz


def test_one_window_shows_when_and_the_other_which_tone():
    encoder, time = SpectrogramEncoder(), torch.arange(SAMPLE_RATE)
    click = (time == SAMPLE_RATE // 2).float().unsqueeze(0)
    long, short = encoder.log_mel(click)[0].max(dim=1).values > np.log10(FLOOR) + 1
    assert long.sum() > 2 * short.sum() > 0  # frames that the click is in
    tone = torch.sin(2 * torch.pi * 1000 * time / SAMPLE_RATE).unsqueeze(0)
    long, short = encoder.log_mel(tone)[0].mean(dim=2) > np.log10(FLOOR) + 3
    assert 0 < long.sum() < short.sum()  # bands that the tone is in


def test_level_says_nothing_and_neighbours_neither():
    encoder = SpectrogramEncoder().eval()
    alone, louder = encoder.embed([CLIP]), encoder.embed([3e4 * CLIP])
    np.testing.assert_allclose(alone, louder, atol=1e-3)
    several = encoder.embed([CLIP, CLIP[:5000], 0.1 * CLIP])
    assert several.shape == (3, encoder.size) and np.isfinite(several).all()
    np.testing.assert_array_equal(several[0], alone[0])


def test_the_shortest_clip_has_an_embedding():
    assert np.isfinite(SpectrogramEncoder().eval().embed([CLIP[:4000]])).all()


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_stream_alone():
    torch.manual_seed(1)
    before = torch.rand(1)
    torch.manual_seed(1)
    first, second = SpectrogramEncoder(3), SpectrogramEncoder(3)
    assert torch.rand(1) == before
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
