"""Physics of the further damages: time-scale modification, clocks, reverberators, vocoders …"""

import numpy as np
import pytest
from scipy.signal import correlate

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs
from aqp_utils.degradations import enhancement, reverberators
from aqp_utils.degradations.codecs import telephone, vocoders
from aqp_utils.degradations.degrade import si_sdr_db
from aqp_utils.degradations.timing import clocks, time_scale
from aqp_utils.sources.formant_voice import speech_clip

SPEECH = speech_clip(2.0, np.random.default_rng(1))[0].astype(float)
TIME_S = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
TONE = np.sin(2 * np.pi * 200 * TIME_S)


def rng(seed=0):
    return np.random.default_rng(seed)


def strongest_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)[np.argmax(spectrum)]


@pytest.mark.parametrize("method", time_scale.METHODS)
@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_stretching_changes_the_length_and_not_the_pitch(method, factor):
    stretched = time_scale.METHODS[method](TONE, factor, rng())
    assert len(stretched) == pytest.approx(factor * len(TONE), abs=2)
    assert np.isfinite(stretched).all()
    if method != "overlap-add":  # which does not look for the right place
        assert strongest_hz(stretched) == pytest.approx(200, abs=3)


def test_pitch_marks_are_one_period_apart():
    pulses = np.zeros(SAMPLE_RATE)
    pulses[::100] = 1.0
    shortest, longest = (round(SAMPLE_RATE / hz) for hz in time_scale.PITCH_HZ[::-1])
    marks = time_scale._pitch_marks(pulses, shortest, longest, 96)
    assert np.all(np.diff(marks) % 100 == 0)


def test_locked_vocoder_leaves_silence_silent():
    assert not np.any(time_scale.locked_vocoder(np.zeros(8_000), 1.2, 512))


def test_wow_sways_the_frequency_by_its_depth():
    heard, facts = clocks.wow_and_flutter(TONE, 1.0, rng(3))
    crossings = np.flatnonzero((heard[:-1] < 0) & (heard[1:] >= 0))
    hz = SAMPLE_RATE / np.diff(crossings)
    assert 0.3 * facts["depth"] < np.std(hz) / 200 < 2 * facts["depth"]
    assert np.mean(hz) == pytest.approx(200, rel=0.01)


def test_slips_move_parts_of_the_clip_by_one_slip():
    ramp = np.arange(2.0 * SAMPLE_RATE)
    heard, facts = clocks.buffer_slips(ramp, 0.8, rng(5))
    slip = round(facts["slip_ms"] * SAMPLE_RATE / 1000)
    late = np.unique(np.round(heard - ramp)[clocks.FADE : -slip])
    assert {-slip, 0, slip} & set(late.astype(int)) and np.abs(late).max() <= slip + clocks.FADE


@pytest.mark.parametrize(
    "reverb", [reverberators.delay_network, reverberators.schroeder_reverberator]
)
def test_reverberators_ring_for_their_reverberation_time(reverb):
    click = np.zeros(4 * SAMPLE_RATE)
    click[0] = 1.0
    heard, facts = reverb(click, 0.6, rng(2))
    assert heard[0] == pytest.approx(1.0, abs=1e-6)
    energy = np.cumsum(heard[1:][::-1] ** 2)[::-1]
    decay_db = 10 * np.log10(energy / energy[0])
    fall_s = (np.argmax(decay_db < -25) - np.argmax(decay_db < -5)) / SAMPLE_RATE
    assert 0.3 * facts["rt60_s"] < 3 * fall_s < 1.3 * facts["rt60_s"]
    wet_db = 10 * np.log10(energy[0])
    assert wet_db == pytest.approx(facts["wet_db"], abs=1.0)


def test_echoes_are_copies():
    click = np.zeros(SAMPLE_RATE)
    click[0] = 1.0
    heard, facts = reverberators.echoes(click, 0.5, rng(1))
    assert heard[0] == 1.0 and np.sum(np.abs(heard[1:]) > 1e-4) >= 1
    assert np.abs(heard[1:]).max() <= facts["count"] * 10 ** (facts["level_db"] / 20)


def test_linear_prediction_with_a_true_residual_gives_the_clip_back(monkeypatch):
    monkeypatch.setattr(vocoders, "_noisy_residual", lambda residual, *_: residual)
    heard, _ = vocoders.lpc_vocoder(SPEECH, 1.0, rng())
    assert si_sdr_db(SPEECH, heard) > 40


def test_disturbed_phases_keep_the_spectrum():
    heard, _ = vocoders.disturbed_phases(SPEECH, 0.3, rng())
    assert rms_dbfs(heard) == pytest.approx(rms_dbfs(SPEECH), abs=0.5)


def test_mel_bands_smooth_a_line_and_keep_a_flat_spectrum():
    flat = np.ones((vocoders.N_FFT // 2 + 1, 3))
    np.testing.assert_allclose(vocoders._through_mel_bands(flat, 30)[2:-2], 1, atol=1e-6)


def test_wiener_filter_lowers_a_floor_and_keeps_what_is_loud():
    noise = 0.001 * rng(4).standard_normal(len(SPEECH))
    speech = SPEECH.copy()
    speech[: SAMPLE_RATE // 2] = 0
    heard = enhancement.mildly_denoised(speech + noise, rng(1))
    quiet = slice(1_000, SAMPLE_RATE // 2 - 1_000)
    assert rms_dbfs(heard[quiet]) < rms_dbfs(noise[quiet]) - 3
    assert si_sdr_db(speech, heard) > 15


def test_brick_wall_leaves_nothing_above_its_cutoff():
    noise = rng(0).standard_normal(4 * SAMPLE_RATE)
    for seed in range(6):
        heard, facts = telephone.lowpass_brick_wall(noise, 0.4, rng(seed))
        power = np.abs(np.fft.rfft(heard)) ** 2
        hz = np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE)
        above, below = hz > 1.8 * facts["cutoff_hz"], hz < 0.7 * facts["cutoff_hz"]
        assert 10 * np.log10(power[above].mean() / power[below].mean()) < -35


def test_softer_calls_have_fewer_steps():
    loud, soft = (telephone.companded(SPEECH, strength, rng(7))[0] for strength in (0.0, 1.0))
    assert si_sdr_db(loud, soft) < 30
    lag = np.argmax(correlate(soft, SPEECH[400:-400], "valid"))
    assert abs(lag - 400) < 40
