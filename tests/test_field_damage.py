"""Damages of real recordings: same length, same bits, worse with intensity, physics as stated."""

import collections

import numpy as np
import pytest
from scipy.signal import butter, correlate, sosfilt

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.degradations import bands, clipping, noise, rooms
from aqp_utils.degradations.catalogue import (
    ALL_DAMAGES,
    DAMAGES,
    FAMILIES,
)
from aqp_utils.degradations.codecs import packets
from aqp_utils.degradations.codecs.ffmpeg import can_code, through_pyav
from aqp_utils.degradations.codecs.libsndfile import through_file, waveform_codecs
from aqp_utils.degradations.codecs.transform import inverse_mdct, mdct
from aqp_utils.degradations.degrade import si_sdr_db
from aqp_utils.degradations.draws import (
    HELD_OUT,
    N_DAMAGES,
    damaged,
    draw_damages,
    draw_hard,
    hardness,
)
from aqp_utils.degradations.dynamics import limited
from aqp_utils.degradations.timing import tempo
from aqp_utils.sources.formant_voice import speech_clip

SPEECH = [speech_clip(2.0, np.random.default_rng(seed))[0].astype(float) for seed in (1, 2)]
INTENSITIES = (0.0, 0.5, 1.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def some_noise(seconds, seed=0):
    return 0.1 * rng(seed).standard_normal(int(seconds * SAMPLE_RATE))


@pytest.mark.parametrize("name", DAMAGES)
def test_shape_bits_and_facts(name):
    for intensity in INTENSITIES:
        result, facts = DAMAGES[name].apply(SPEECH[0], intensity, rng(3))
        again, same_facts = DAMAGES[name].apply(SPEECH[0], intensity, rng(3))
        assert result.shape == SPEECH[0].shape
        assert np.all(np.isfinite(result))
        assert np.array_equal(result, again) and facts == same_facts
        assert facts and all(isinstance(value, float | int | str) for value in facts.values())
    assert DAMAGES[name].about.endswith(".")


@pytest.mark.parametrize("name", DAMAGES)
def test_short_and_loud_and_quiet_clips(name):
    for gain in (1e-3, 20.0):
        result, _ = DAMAGES[name].apply(gain * SPEECH[0][8_000:9_600], 0.5, rng())
        assert result.shape == (1_600,)
        assert np.all(np.isfinite(result))


def comparable(name, audio):
    """The waveform; of what turns every partial by itself the envelope, which is in time."""
    if name != "locked_vocoder_round_trip":
        return audio
    envelope = np.convolve(np.abs(audio), np.hanning(160), "same")
    return envelope - envelope.mean()


@pytest.mark.parametrize("name", DAMAGES)
def test_more_changes_more(name):
    def mean_si_sdr_db(intensity):
        pairs = [(clip, DAMAGES[name].apply(clip, intensity, rng(5))[0]) for clip in SPEECH]
        return np.mean([si_sdr_db(*(comparable(name, one) for one in pair)) for pair in pairs])

    assert mean_si_sdr_db(0.0) > mean_si_sdr_db(1.0) + 0.5


@pytest.mark.parametrize(
    "name", ["white_noise", "statistical_room", "mp3", "packet_loss", "dropouts"]
)
def test_intensities_span_the_scale(name):
    pesq = pytest.importorskip("pesq").pesq

    def score(intensity):
        return pesq(
            SAMPLE_RATE, SPEECH[1], DAMAGES[name].apply(SPEECH[1], intensity, rng(5))[0], "wb"
        )

    assert score(0.0) > 3.3
    assert score(1.0) < 2.3


@pytest.mark.parametrize("name", DAMAGES)
def test_in_time_with_the_input(name):
    result, _ = DAMAGES[name].apply(SPEECH[0], 0.0, rng(1))
    result, clip, reach = comparable(name, result), comparable(name, SPEECH[0]), 400
    lags = correlate(result, clip[reach:-reach], "valid")
    assert abs(np.argmax(np.abs(lags)) - reach) <= 80  # 5 ms


@pytest.mark.parametrize(
    "function",
    [
        noise.white_noise,
        noise.colour_noise,
        noise.shaped_noise,
        noise.hum_and_hiss,
    ],
)
def test_snr_of_the_active_part(function):
    clip = np.concatenate([np.zeros(16_000), SPEECH[0]])
    noisy, facts = function(clip, 0.6, rng(2))
    mask = active_mask(clip)
    snr_db = rms_dbfs(clip[mask]) - rms_dbfs((noisy - clip)[mask])
    assert snr_db == pytest.approx(facts["snr_db"], abs=1e-6)


def test_clippers_reach_their_target():
    clip = some_noise(1)
    cut, facts = clipping.clip_at_quantile(clip, 0.7, rng())
    assert np.mean(cut != clip) == pytest.approx(facts["clipped_share"], abs=1e-3)
    cut, facts = clipping.clip_at_si_sdr(clip, 0.5, rng())
    assert si_sdr_db(clip, cut) == pytest.approx(facts["si_sdr_db"], abs=0.01)
    cut, facts = clipping.overshoot(clip, 0.5, rng())
    assert np.max(np.abs(cut)) == 1.0
    inside = np.abs(cut) < 1
    gain = 10 ** (facts["over_db"] / 20) / np.max(np.abs(clip))
    assert cut[inside] == pytest.approx(gain * clip[inside])


def test_mnru_has_its_q_and_few_bits_their_steps():
    clip = some_noise(4)
    result, facts = clipping.modulated_noise(clip, 0.5, rng(9))
    q_db = rms_dbfs(clip) - rms_dbfs(result - clip)
    assert q_db == pytest.approx(facts["q_db"], abs=0.2)
    coarse, facts = clipping.few_bits(clip, 0.9, rng())
    assert len(np.unique(np.round(coarse, 9))) <= 2 ** facts["bits"] + 4


@pytest.mark.parametrize(("order", "function"), [
    (1, bands.lowpass_first_order), (2, bands.lowpass_second_order),
])  # fmt: skip
def test_lowpass_is_3_db_down_at_its_cutoff(order, function):
    impulse = np.zeros(SAMPLE_RATE)
    impulse[0] = 1
    result, facts = function(impulse, 0.8, rng())
    response_db = 20 * np.log10(np.abs(np.fft.rfft(result)[:-1]))  # 1 Hz per bin
    cutoff_hz = round(facts["cutoff_hz"])
    assert response_db[cutoff_hz] == pytest.approx(-3.01, abs=0.1)
    assert response_db[4 * cutoff_hz] == pytest.approx(-12.04 * order, abs=2.0)


def test_good_resampling_stops_what_bad_resampling_folds_back():
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 7_000 * time_s)  # over the new Nyquist frequency
    good, facts = bands.resampled(tone, 0.3, rng())
    bad, _ = bands.resampled_badly(tone, 0.5, rng())
    assert facts["rate_hz"] < 14_000
    assert rms_dbfs(good) < -30
    assert rms_dbfs(bad) > -12


def decay_time_s(response, low_db=-5, high_db=-25):
    """RT60 by Schroeder's backward integration, extrapolated from 20 dB of decay."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0])
    first, last = (int(np.argmax(level_db < limit)) for limit in (low_db, high_db))
    return 60 / (low_db - high_db) * (last - first) / SAMPLE_RATE


def test_statistical_room_has_its_rt60_and_drr():
    response = rooms.decaying_response(0.6, -3.0, 0.5, rng())
    assert rooms.drr_of(response) == pytest.approx(-3.0, abs=0.1)
    middle = sosfilt(butter(4, (600, 1_800), "bandpass", fs=SAMPLE_RATE, output="sos"), response)
    assert decay_time_s(middle[800:]) == pytest.approx(0.6, rel=0.15)
    high = sosfilt(butter(4, 4_500, "highpass", fs=SAMPLE_RATE, output="sos"), response)
    assert decay_time_s(high[800:]) == pytest.approx(0.3, rel=0.15)


def test_shoebox_room_decays_about_as_eyring_says():
    response = rooms.shoebox_response((6, 5, 3), (1.5, 2, 1.4), (4, 3.2, 1.6), 0.4)
    assert response[0] == pytest.approx(1.0)
    # A shoebox with even walls decays more slowly than a diffuse field.
    assert 0.35 < decay_time_s(response[800:]) < 0.65


def test_first_reflection_of_a_shoebox_is_where_geometry_puts_it():
    # Source and microphone 1 m over the floor and 2 m apart; walls and ceiling far away.
    response = rooms.shoebox_response((40, 40, 40), (20, 20, 1), (22, 20, 1), 2.0)
    late_s = (np.sqrt(2**2 + 2**2) - 2) / rooms.SPEED_OF_SOUND
    first = 1 + np.flatnonzero(response[1:])[0]
    assert first == pytest.approx(late_s * SAMPLE_RATE, abs=1.5)


def test_packets_are_lost_as_often_and_in_such_runs():
    lost = packets.gilbert_losses(200_000, 0.2, 3.0, rng())
    runs = np.sum(np.diff(lost.astype(int)) == 1)
    assert np.mean(lost) == pytest.approx(0.2, abs=0.01)
    assert np.sum(lost) / runs == pytest.approx(3.0, rel=0.03)


def test_concealment_touches_the_gap_alone():
    clip, lost = some_noise(0.2), np.zeros(10, dtype=bool)
    lost[[4, 5]] = True
    silent = packets.conceal(clip, lost, 320, "silence")
    assert not np.any(silent[1_280:1_920])
    assert np.array_equal(silent[1_920:], clip[1_920:])
    repeated = packets.conceal(clip, lost, 320, "repetition")
    assert np.array_equal(repeated[1_280:1_600], clip[960:1_280])
    assert rms_dbfs(repeated[1_600:1_920]) < rms_dbfs(repeated[1_280:1_600])
    with pytest.raises(ValueError, match="no concealment 'magic'"):
        packets.conceal(clip, lost, 320, "magic")


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 2.0])
def test_wsola_keeps_pitch_and_changes_length(factor):
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    stretched = tempo.wsola(np.sin(2 * np.pi * 440 * time_s), factor, *tempo.COMMON_MS)
    assert len(stretched) == round(2 * SAMPLE_RATE * factor)
    spectrum = np.abs(np.fft.rfft(stretched * np.hanning(len(stretched))))
    peak_hz = np.argmax(spectrum) * SAMPLE_RATE / len(stretched)
    assert peak_hz == pytest.approx(440, abs=3)


def test_mdct_reconstructs():
    clip = some_noise(0.5)
    assert inverse_mdct(mdct(clip, 256), len(clip)) == pytest.approx(clip, abs=1e-12)


def test_companding_keeps_its_signal_to_noise_ratio():
    assert "mu-law" in waveform_codecs()
    clip = some_noise(1)
    assert 34 < si_sdr_db(clip, through_file(clip, SAMPLE_RATE, "WAV", "ULAW")) < 42


@pytest.mark.skipif(not can_code("aac"), reason="PyAV is not installed")
def test_pyav_codecs_are_in_time():
    clip = SPEECH[0]
    for encoder, kbps in (("aac", 64), ("mp2", 128), ("g722", 64)):
        assert si_sdr_db(clip, through_pyav(clip, encoder, SAMPLE_RATE, kbps)) > 10


def test_draws_follow_the_chain():
    draws = [draw_damages(rng(seed), held_out=seed % 3 == 0) for seed in range(1_200)]
    order = list(FAMILIES)
    for drawn in draws:
        families = [order.index(DAMAGES[name].family) for name, _ in drawn]
        assert families == sorted(set(families))
        assert all(0 <= intensity <= 1 for _, intensity in drawn)
    share = np.bincount([len(drawn) for drawn in draws], minlength=4) / len(draws)
    assert share[1:] == pytest.approx(list(N_DAMAGES.values()), abs=0.06)
    drawn = {name for drawn in draws for name, _ in drawn}
    assert drawn == {name for name, one in DAMAGES.items() if one.weight}


def test_what_was_mistaken_is_drawn_more_often():
    drawn = [draw_hard(rng(seed))[0] for seed in range(3_000)]
    assert all(0 <= intensity <= 1 and name not in HELD_OUT for name, intensity in drawn)
    counts = collections.Counter(name for name, _ in drawn)
    one, other = "mixed_round_trip", "sola_round_trip"  # of one family
    errors = np.mean(hardness()[one]) / np.mean(hardness()[other])
    weights = DAMAGES[one].weight / DAMAGES[other].weight
    assert counts[one] / counts[other] == pytest.approx(errors * weights, rel=0.3)
    quarters = [int(4 * intensity) for name, intensity in drawn if name == "wsola_round_trip"]
    shares = np.bincount(quarters, minlength=4) / len(quarters)
    expected = np.array(hardness()["wsola_round_trip"])
    assert shares == pytest.approx(expected / expected.sum(), abs=0.1)


def test_the_hardness_of_all_that_is_learned_is_known():
    assert set(hardness()) == {one.name for one in ALL_DAMAGES if one.weight} - set(HELD_OUT)
    assert all(len(errors) == 4 and min(errors) > 0 for errors in hardness().values())


def test_damaged_tells_its_history():
    for seed in range(10):
        result, history = damaged(SPEECH[0], rng(seed))
        again, same_history = damaged(SPEECH[0], rng(seed))
        assert result.shape == SPEECH[0].shape and np.array_equal(result, again)
        assert history == same_history
        assert all(len(step) > 2 and step["name"] in DAMAGES for step in history)
        assert not np.array_equal(result, SPEECH[0])


@pytest.mark.parametrize(("clip", "sentence"), [
    (np.zeros(0), "takes one axis of 1600 samples"), (np.ones(1_000), "1600 samples"),
    (np.ones((2, 8_000)), "takes one axis"), (np.zeros(8_000), "silent"),
    (np.full(8_000, np.nan), "not finite"),
])  # fmt: skip
def test_errors_say_what_is_wrong(clip, sentence):
    with pytest.raises(ValueError, match=sentence):
        damaged(clip, rng())
    with pytest.raises(ValueError, match=sentence):
        DAMAGES["white_noise"].apply(clip, 0.5, rng())


def test_intensity_is_checked_and_names_are_unique():
    with pytest.raises(ValueError, match="allowed is 0 to 1"):
        DAMAGES["white_noise"].apply(SPEECH[0], 1.2, rng())
    assert len({damage.name for damage in ALL_DAMAGES}) == len(ALL_DAMAGES)
    assert {damage.family for damage in ALL_DAMAGES} == set(FAMILIES)


def test_a_limiter_keeps_its_promise_and_what_lies_below():
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal(SAMPLE_RATE)
    audio[SAMPLE_RATE // 2 :] *= 0.2
    heard = limited(audio, 0.15, 0.005)
    assert np.abs(heard).max() <= 0.15 + 1e-12
    calm = slice(SAMPLE_RATE // 2 + 200, None)
    np.testing.assert_allclose(heard[calm], audio[calm])


@pytest.mark.parametrize("name", DAMAGES)
def test_intensity_and_strength_are_inverse(name):
    kind = DAMAGES[name]
    for intensity in (0.0, 0.2, 0.77, 1.0):
        assert kind.intensity(kind.strength(intensity)) == pytest.approx(intensity, abs=1e-9)
