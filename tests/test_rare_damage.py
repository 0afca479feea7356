"""What recordings meet now and then: effects, interferences, processors and accidents."""

import collections

import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.degradations.catalogue import RARE
from aqp_utils.degradations.draws import draw_rare
from aqp_utils.degradations.rare import accidents, effects, interference, processors
from aqp_utils.sources.formant_voice import speech_clip

SPEECH = [speech_clip(2.0, np.random.default_rng(1))[0].astype(float)]


def rng(seed=0):
    return np.random.default_rng(seed)


def some_noise(seconds):
    return 0.1 * rng().standard_normal(int(seconds * SAMPLE_RATE))


def tone(hz, seconds=1):
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def peak_hz(audio):
    return np.argmax(np.abs(np.fft.rfft(audio * np.hanning(len(audio))))) * SAMPLE_RATE / len(audio)


@pytest.mark.parametrize("shelf", range(len(RARE)))
def test_what_is_rare_is_drawn_by_itself_and_all_alike(shelf):
    drawn = [draw_rare(rng(seed), shelf) for seed in range(2_000)]
    assert all(len(one) == 1 and 0 <= one[0][1] <= 1 for one in drawn)
    counts = collections.Counter(name for ((name, _),) in drawn)
    assert set(counts) == {one.name for one in RARE[shelf]}
    assert min(counts.values()) > 0.6 * max(counts.values())


def test_a_shifted_tone_is_where_its_shift_puts_it():
    for seed in range(4):
        shifted, facts = effects.frequency_shift(tone(1_000), 0.9, rng(seed))
        assert abs(facts["shift_hz"]) > 50
        assert peak_hz(shifted) == pytest.approx(1_000 + facts["shift_hz"], abs=1)


def test_tremolo_sways_as_deep_and_as_often_as_it_says():
    for seed in range(4):
        gain, facts = effects.tremolo(np.ones(8 * SAMPLE_RATE), 0.8, rng(seed))
        assert gain.max() == pytest.approx(1, abs=1e-3)
        assert gain.min() == pytest.approx(1 - facts["depth"], abs=1e-3)
        assert peak_hz(gain - gain.mean()) == pytest.approx(facts["rate_hz"], abs=0.2)


def test_ring_modulation_keeps_the_level_and_makes_sidebands():
    ringing, facts = effects.ring_modulation(tone(2_000), 1.0, rng(1))
    assert rms_dbfs(ringing) == pytest.approx(rms_dbfs(tone(2_000)), abs=0.3)
    assert abs(peak_hz(ringing) - 2_000) == pytest.approx(facts["carrier_hz"], abs=1.5)


def test_what_is_held_changes_as_often_as_it_says():
    held, facts = effects.sample_and_hold(some_noise(1), 1.0, rng(2))
    assert facts["share"] == 1
    changes = np.sum(np.abs(np.diff(held)) > 1e-9)
    assert changes == pytest.approx(facts["rate_hz"], rel=0.01)


def test_echoes_sway_late_and_never_early():
    click = np.zeros(SAMPLE_RATE)
    click[8_000] = 1
    for seed in range(4):
        late = np.flatnonzero(np.abs(effects.swaying_echoes(click, 1.0, rng(seed))[0]) > 1e-6)
        assert late[0] >= 8_000 - 2 and 8_000 < late[-1] < 8_000 + 0.05 * SAMPLE_RATE


def test_the_gate_cuts_what_is_soft_and_leaves_what_is_loud():
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    falling = tone(1_000, 2) * np.where(time_s < 1, 1, 0.01)  # by 40 dB
    gated, facts = effects.spectral_gate(falling, 0.6, rng())
    assert facts["below_db"] < 40
    loud, soft = slice(2_000, 14_000), slice(18_000, 30_000)
    assert rms_dbfs(gated[loud]) == pytest.approx(rms_dbfs(falling[loud]), abs=0.1)
    cut_db = rms_dbfs(gated[soft]) - rms_dbfs(falling[soft])
    assert cut_db == pytest.approx(facts["floor_db"], abs=1)


INTERFERENCES = (
    interference.tones,
    interference.gusts,
    interference.buzz,
    interference.knocks,
    interference.bursts,
    interference.other_talker,
)


@pytest.mark.parametrize("function", INTERFERENCES)
def test_interference_has_its_snr(function):
    noisy, facts = function(SPEECH[0], 0.6, rng(2))
    snr_db = rms_dbfs(SPEECH[0][active_mask(SPEECH[0])]) - rms_dbfs(noisy - SPEECH[0])
    assert snr_db == pytest.approx(facts["snr_db"], abs=1e-6)


@pytest.mark.parametrize("function", INTERFERENCES[:4])
def test_wind_and_knocks_are_low_and_beeps_and_buzz_are_not(function):
    noisy, _ = function(SPEECH[0], 0.6, rng(2))
    spectrum = np.abs(np.fft.rfft(noisy - SPEECH[0])) ** 2
    middle_hz = np.searchsorted(np.cumsum(spectrum), spectrum.sum() / 2) / 2  # of 2 s
    assert (middle_hz < 500) == (function in (interference.gusts, interference.knocks))


def test_no_beep_folds_back(monkeypatch):
    """A whistle of 3 kHz has harmonics at 6 kHz, and nothing at 16 − 9 = 7 kHz."""

    class Draws:  # steady, at 3 kHz, five harmonics of full level, on all the time
        choice = staticmethod(lambda kinds: "steady")
        integers = staticmethod(lambda low, high: 5)
        random = staticmethod(lambda: 1.0)
        uniform = staticmethod(lambda low=0.0, high=1.0: {1: 1.0, 8: np.log2(3_000)}.get(low, high))

    power = np.abs(np.fft.rfft(interference._tone(SAMPLE_RATE, Draws))) ** 2
    assert power[6_000] > 1e3 and power[[1_000, 4_000, 7_000]].max() < 1


def test_bursts_come_and_go():
    noisy, facts = interference.bursts(SPEECH[0], 0.6, rng(4))
    level = np.abs(noisy - SPEECH[0]).reshape(-1, 160).mean(axis=1)
    assert 0.03 < np.mean(level > 0.2 * level.max()) < 0.8


def test_as_many_words_have_errors_as_it_says_and_others_are_kept():
    audio = 0.5 * tone(300, 4)
    broken, facts = accidents.bit_errors(audio, 0.8, rng())
    wrong = np.abs(broken - audio) > 1e-4  # a step of 16 bits is 1.7e-5
    assert np.mean(wrong) == pytest.approx(facts["rate"], rel=0.3)


def test_what_repeats_is_what_was_there_before():
    audio = some_noise(1)
    for seed in range(6):
        again, facts = accidents.repeats(audio, 0.3, rng(seed))
        changed = np.flatnonzero(again != audio)
        assert 0 < len(changed) / len(audio) < 1 and np.isin(again[changed], audio).all()


def test_the_shortest_clip_can_repeat_as_well():
    for seed in range(50):
        assert np.isfinite(accidents.repeats(some_noise(0.1), 0.9, rng(seed))[0]).all()


def test_grains_that_stay_add_up_to_the_clip_and_strayed_ones_do_not():
    audio = some_noise(1)
    stayed, facts = accidents.shuffled_grains(tone(50), 0.0, rng())
    assert facts["away_s"] == pytest.approx(1e-4)
    inner = slice(2_000, -2_000)
    np.testing.assert_allclose(stayed[inner], tone(50)[inner], atol=0.15)
    strayed, _ = accidents.shuffled_grains(audio, 1.0, rng())
    assert abs(np.corrcoef(strayed, audio)[0, 1]) < 0.5


def test_what_is_too_loud_comes_back_from_below():
    audio = tone(100)
    folded, facts = accidents.wrapped(audio, 0.2, rng())
    gain = 10 ** (facts["over_db"] / 20)
    over = gain * audio > 1
    np.testing.assert_allclose(folded[over], gain * audio[over] - 2, atol=1e-12)
    kept = np.abs(gain * audio) < 1
    np.testing.assert_allclose(folded[kept], gain * audio[kept], atol=1e-12)


def test_the_dead_zone_loses_its_share():
    heard, facts = accidents.dead_zone(some_noise(1), 0.5, rng())
    assert np.mean(heard == 0) == pytest.approx(facts["lost_share"], abs=0.001)


def test_a_bent_characteristic_has_no_memory():
    audio = some_noise(1)
    heard, facts = accidents.bent(audio, 0.7, rng(3))
    shuffled = rng(1).permutation(len(audio))
    np.testing.assert_allclose(accidents.bent(audio[shuffled], 0.7, rng(3))[0], heard[shuffled])
    added = np.max(np.abs(heard - audio))
    assert added <= 2 * facts["share"] * np.max(np.abs(audio)) + 1e-9


def test_no_step_is_larger_than_the_slew_rate():
    audio = some_noise(1)
    heard, facts = accidents.slew_limited(audio, 0.5, rng())
    most = np.quantile(np.abs(np.diff(audio)), facts["kept_share"])
    assert np.abs(np.diff(heard)).max() <= most * (1 + 1e-9)


def test_filters_that_sway_stay_within_their_depth():
    audio = some_noise(2)
    heard, facts = processors.swept_filter(audio, 0.8, rng(1))
    assert -facts["depth_db"] < rms_dbfs(heard) - rms_dbfs(audio) < 0
    halves = [processors.wandering_response(audio, 0.7, rng(2))[0][part] for part in (
        slice(0, SAMPLE_RATE), slice(SAMPLE_RATE, None))]  # fmt: skip
    spectra_db = [
        10 * np.log10((np.abs(np.fft.rfft(half)) ** 2)[:8_000].reshape(-1, 500).mean(axis=1))
        for half in halves
    ]
    assert np.abs(spectra_db[0] - spectra_db[1]).max() > 3


def test_resonances_ring_on():
    click = np.zeros(SAMPLE_RATE)
    click[1_000] = 1
    ringing, _ = processors.resonances(click, 0.8, rng(1))
    assert not ringing[:1_000].any()
    assert np.sum(ringing[1_010:] ** 2) > 0.01


def test_pressed_bands_are_more_even():
    swelling = some_noise(2) * np.linspace(0.05, 1, 2 * SAMPLE_RATE)
    pressed, facts = processors.bands_compressed(swelling, 1.0, rng())

    def range_db(audio):
        return rms_dbfs(audio[-8_000:]) - rms_dbfs(audio[:8_000])

    assert range_db(pressed) < 0.5 * range_db(swelling)


def test_a_driven_band_is_added_at_its_level():
    audio = some_noise(1)
    heard, facts = processors.distorted_band(audio, 0.5, rng())
    assert rms_dbfs(heard - audio) - rms_dbfs(audio) == pytest.approx(facts["added_db"], abs=0.1)


def test_holes_take_their_share():
    audio = some_noise(2)
    heard, facts = processors.holes(audio, 0.8, rng())
    lost = 1 - np.mean(heard**2) / np.mean(audio**2)
    assert 0.4 * facts["share"] < lost < 1.6 * facts["share"]


def test_rounded_levels_are_off_by_half_a_step_at_most():
    audio = some_noise(1)
    heard, facts = processors.rounded_levels(audio, 0.3, rng())
    assert abs(rms_dbfs(heard) - rms_dbfs(audio)) < facts["step_db"]
    assert 0 < rms_dbfs(audio) - rms_dbfs(heard - audio) < 40
