import numpy as np
import pytest
from scipy.signal import butter, sosfilt
from speech_measures import distance_from_average_db, octave_power

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.sources.average_speech import equalised
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.training.field import recording
from aqp_utils.training.field.floors import floor_noise, mouth_noises
from aqp_utils.training.field.microphone import CLOSENESS_DB, random_closeness, random_dispersion
from aqp_utils.training.field.recording import as_recorded, gated, through_microphone


@pytest.fixture(scope="module")
def voice():
    return speech_clip(2.0, np.random.default_rng(0))[0].astype(np.float64)


def test_recordings_keep_length_and_level_and_are_finite(voice):
    for seed in range(12):
        audio, facts = as_recorded(voice, np.random.default_rng(seed))
        assert audio.shape == voice.shape and np.isfinite(audio).all()
        level = rms_dbfs(audio[active_mask(audio)])
        assert level == pytest.approx(ACTIVE_LEVEL_DBFS, abs=0.1)
        assert set(facts) == {
            "rt60_s", "drr_db", "ratio", "crest_db", "floor_db", "gate", "denoised", "coded_kbps",
        }  # fmt: skip


def test_conditions_come_in_about_their_shares(voice):
    facts = [as_recorded(voice, np.random.default_rng(seed))[1] for seed in range(150)]
    shares = {
        "drr_db": recording.ROOM_SHARE,
        "ratio": recording.LEVELLED_SHARE,
        "crest_db": recording.LIMITED_SHARE,
        "floor_db": 1 - recording.NO_FLOOR_SHARE,
        "coded_kbps": recording.CODED_SHARE,
    }
    for name, share in shares.items():
        assert np.mean([np.isfinite(one[name]) for one in facts]) == pytest.approx(share, abs=0.13)
    floors = [one["floor_db"] for one in facts if np.isfinite(one["floor_db"])]
    assert min(floors) >= recording.LOWEST_FLOOR_DB
    assert max(floors) <= recording.HIGHEST_FLOOR_DB


def test_the_floor_has_the_level_it_says(monkeypatch):
    for name in (
        "ROOM", "LEVELLED", "LEVELLED_LATE", "LIMITED", "GATE", "CODED", "NO_FLOOR", "MOUTH",
        "BREATH", "DENOISED",
    ):  # fmt: skip
        monkeypatch.setattr(recording, f"{name}_SHARE", 0)
    burst, errors_db = np.zeros(2 * SAMPLE_RATE), []
    burst[:SAMPLE_RATE] = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    for seed in range(12):
        audio, facts = as_recorded(burst, np.random.default_rng(seed))
        pause = rms_dbfs(audio[int(1.5 * SAMPLE_RATE) :]) - rms_dbfs(audio[:SAMPLE_RATE])
        errors_db.append(pause - facts["floor_db"])
    assert np.mean(errors_db) == pytest.approx(0, abs=1.0)  # the floors of streets come and go
    assert np.abs(errors_db).max() < 7


def test_a_microphone_filters_and_adds_nothing(voice):
    twice = through_microphone(2 * voice, np.random.default_rng(5))
    once = through_microphone(voice, np.random.default_rng(5))
    np.testing.assert_allclose(twice, 2 * once, atol=1e-9)


def test_a_gate_leaves_digital_silence_and_the_words(voice):
    quiet = voice + 1e-5 * np.random.default_rng(0).standard_normal(len(voice))
    quiet[:4000] = 1e-5 * np.random.default_rng(1).standard_normal(4000)
    audio = gated(quiet, np.random.default_rng(0))
    assert np.mean(audio == 0) > 0.03
    loud = np.abs(quiet) > 0.5 * np.abs(quiet).max()
    np.testing.assert_allclose(audio[loud], quiet[loud])


def test_dispersion_spreads_a_pulse_and_keeps_its_spectrum():
    peaks = []
    for seed in range(10):
        gain = random_dispersion(SAMPLE_RATE, np.random.default_rng(seed))
        np.testing.assert_allclose(np.abs(gain), 1)
        spread = np.fft.irfft(gain, SAMPLE_RATE)
        peaks.append(np.abs(spread).max())
        late = slice(round(0.1 * SAMPLE_RATE), round(0.9 * SAMPLE_RATE))
        assert np.sum(spread[late] ** 2) < 1e-4
    assert np.mean(peaks) < 0.8  # what lies above the highest bump stays together


def test_closeness_lifts_the_low_end_only():
    gain_db = 20 * np.log10(random_closeness(SAMPLE_RATE, np.random.default_rng(0)))
    assert 0 < gain_db[0] <= CLOSENESS_DB
    assert np.all(np.diff(gain_db) <= 0) and gain_db[-1] == pytest.approx(0, abs=0.1)


def test_equalised_speech_is_nearer_to_the_average(voice):
    rng = np.random.default_rng(0)
    dull = sosfilt(butter(1, 300, fs=SAMPLE_RATE, output="sos"), rng.standard_normal(SAMPLE_RATE))
    before, after = (
        distance_from_average_db(octave_power(audio)) for audio in (dull, equalised(dull, 1.0))
    )
    assert after < 0.5 * before
    np.testing.assert_allclose(equalised(dull, 0.0), dull, atol=1e-9)


def test_a_room_follows_from_size_and_distance(voice):
    facts = [as_recorded(voice, np.random.default_rng(seed))[1] for seed in range(80)]
    rooms = [one for one in facts if np.isfinite(one["drr_db"])]
    low, high = recording.RT60_S
    assert all(low <= one["rt60_s"] <= high for one in rooms)
    assert 10 < np.median([one["drr_db"] for one in rooms]) < 28


def test_loud_floors_are_never_white():
    for seed in range(30):
        noise, kind = floor_noise(4 * SAMPLE_RATE, -30.0, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(noise)) ** 2
        hz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
        low, high = power[(hz > 50) & (hz < 500)].mean(), power[hz > 5000].mean()
        assert kind in ("steady", "street", "fan", "hum") and low > 4 * high
        assert rms_dbfs(noise) == pytest.approx(0.0, abs=0.1)


def test_mouth_noises_are_soft_and_short(voice):
    added = mouth_noises(voice, np.random.default_rng(4)) - voice
    assert 0 < np.abs(added).max() <= np.abs(voice).max()
    assert np.mean(added != 0) < 0.2
