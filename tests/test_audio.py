import numpy as np
import pytest
import soundfile as sf

from aqp_utils.core.audio import (
    SAMPLE_RATE,
    active_mask,
    read_clip,
    rms_dbfs,
    set_level_dbfs,
    write_wav,
)


def test_full_scale_sine_is_minus_three_db():
    assert rms_dbfs(np.sin(2 * np.pi * np.arange(16000) / 16)) == pytest.approx(-3.01, abs=0.01)


def test_set_level_over_a_mask():
    audio = np.r_[np.ones(100), np.zeros(100)]
    mask = audio > 0
    assert rms_dbfs(set_level_dbfs(audio, -20, mask)[mask]) == pytest.approx(-20)


def test_active_mask_finds_the_pause():
    audio = np.r_[np.ones(3200), np.full(3200, 1e-3), np.ones(3210)]
    mask = active_mask(audio)
    assert mask.shape == audio.shape
    assert mask[:3200].all() and not mask[3200:6400].any() and mask[6400:].all()


def test_wav_round_trip_within_half_a_step(tmp_path):
    audio = np.random.default_rng(0).uniform(-0.9, 0.9, 4000)
    write_wav(tmp_path / "ünï code.wav", audio)
    assert np.abs(read_clip(tmp_path / "ünï code.wav") - audio).max() <= 1 / 32768
    assert sf.info(tmp_path / "ünï code.wav").subtype == "PCM_16"


@pytest.mark.parametrize("bad", [np.array([0.0, 1.5]), np.array([np.nan, 0.0])])
def test_write_refuses_what_pcm_cannot_hold(tmp_path, bad):
    with pytest.raises(ValueError, match="cannot be stored"):
        write_wav(tmp_path / "bad.wav", bad)
    assert not list(tmp_path.iterdir()), "nothing half-written stays"


def test_read_refuses_other_formats(tmp_path):
    sf.write(tmp_path / "stereo.wav", np.zeros((100, 2)), SAMPLE_RATE)
    with pytest.raises(ValueError, match="mono at 16000 Hz"):
        read_clip(tmp_path / "stereo.wav")
