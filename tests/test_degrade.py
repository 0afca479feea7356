import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.data import checks
from aqp_utils.degradations.degrade import (
    DEGRADATIONS,
    KINDS,
    SEVERITY_RANGES,
    add_noise,
    compression,
    degrade,
    drr_db,
    hard_clip,
    lowpass,
    room_impulse_response,
    sample_parameter,
    si_sdr_db,
)
from aqp_utils.sources.tones import tone_clip


@pytest.fixture(scope="module")
def clean():
    return tone_clip(2.0, rng_for(0, "clean", 1))[0]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@settings(max_examples=20, deadline=None)
@given(snr_db=st.floats(-10, 60))
def test_noise_meets_the_requested_snr(clean, snr_db):
    noise = add_noise(clean, snr_db, np.random.default_rng(1)) - clean
    mask = active_mask(clean)
    assert rms_dbfs(clean[mask]) - rms_dbfs(noise[mask]) == pytest.approx(snr_db, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(sdr_db=st.floats(3, 45))
def test_clip_meets_the_requested_sdr(clean, sdr_db):
    assert si_sdr_db(clean, hard_clip(clean, sdr_db)) == pytest.approx(sdr_db, abs=0.01)


def test_clip_is_flat_at_one_threshold(clean):
    clipped = hard_clip(clean, 10)
    changed = np.abs(clipped[clipped != clean])
    assert np.ptp(changed) == 0


@pytest.mark.parametrize("cutoff_hz", [300, 1000, 3400])
def test_lowpass_passes_and_stops(cutoff_hz):
    impulse = np.zeros(SAMPLE_RATE)
    impulse[SAMPLE_RATE // 2] = 1
    response = lowpass(impulse, cutoff_hz)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(response)) + 1e-12)
    assert checks.cutoff_hz(response) == pytest.approx(cutoff_hz, rel=0.01)
    assert np.abs(gain_db[: int(cutoff_hz * 0.6)]).max() < 0.1
    assert gain_db[int(cutoff_hz * 2) :].max() < -60


def test_lowpass_keeps_constants_and_time(clean):
    assert np.allclose(lowpass(np.ones(4000), 1000), 1, atol=1e-6)
    assert np.argmax(np.correlate(lowpass(clean, 3000), clean, "same")) == len(clean) // 2


@pytest.mark.parametrize("rt60_s", [0.15, 0.3, 0.6, 1.2])
def test_room_has_the_requested_decay_and_drr(rt60_s):
    rooms = [room_impulse_response(rt60_s, np.random.default_rng(i)) for i in range(8)]
    assert np.mean([checks.rt60_s(r) for r in rooms]) == pytest.approx(rt60_s, rel=0.08)
    for room in rooms:
        assert -10 * np.log10(np.sum(room[1:] ** 2)) == pytest.approx(drr_db(rt60_s), abs=1e-6)


def test_compression_mixes_from_dry_to_wet(clean):
    assert np.allclose(compression(clean, 0.0), clean)
    whole = compression(clean, 1.0) - clean
    for wet in (0.1, 0.35, 0.7):  # SI-SDR would not do: it has no order once clips decorrelate
        assert np.allclose(compression(clean, wet) - clean, wet * whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_every_cell_keeps_length_level_and_full_scale(clean, kind, severity):
    rng = rng_for(0, "degrade", 1, KINDS.index(kind), severity)
    degraded = degrade(clean, kind, sample_parameter(kind, severity, rng), rng)
    assert degraded.shape == clean.shape
    assert rms_dbfs(degraded) == pytest.approx(rms_dbfs(clean), abs=1e-6)
    assert np.abs(degraded).max() < 1
    assert not np.allclose(degraded, clean)


@pytest.mark.parametrize("kind", KINDS)
def test_severity_ranges_do_not_touch_and_get_worse(kind):
    ends = [value for severity in (1, 2, 3) for value in SEVERITY_RANGES[kind][severity]]
    steps = np.diff(ends)
    assert np.all(steps > 0) or np.all(steps < 0)
    low, high = DEGRADATIONS[kind].allowed
    assert low <= min(ends) and max(ends) <= high


@pytest.mark.parametrize("kind", KINDS)
def test_same_stream_same_bits(clean, kind):
    parameter = SEVERITY_RANGES[kind][2][0]
    first = degrade(clean, kind, parameter, np.random.default_rng(3))
    assert np.array_equal(first, degrade(clean, kind, parameter, np.random.default_rng(3)))


def test_bad_requests_name_the_allowed(clean, rng):
    with pytest.raises(ValueError, match="noise, clip, lowpass, reverb, compression"):
        degrade(clean, "hum", 1.0, rng)
    with pytest.raises(ValueError, match="cutoff .* allowed is 50 to 7900 Hz"):
        degrade(clean, "lowpass", 9000, rng)
    with pytest.raises(ValueError, match="out of range"):
        degrade(clean, "noise", float("nan"), rng)


def test_measured_snr_agrees_with_the_requested(clean, rng):
    assert checks.snr_db(clean, degrade(clean, "noise", 20, rng)) == pytest.approx(20, abs=0.1)
