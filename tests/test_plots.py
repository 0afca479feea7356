import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import rng_for
from aqp_utils.degradations.degrade import KINDS
from aqp_utils.sources.tones import tone_clip
from aqp_utils.views import plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def sine():
    return 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)


def test_full_scale_sine_reads_zero_dbfs(sine):
    level = plots.stft_db(2 * sine)
    assert level[:, 10:-10].max() == pytest.approx(0, abs=0.05)
    assert np.argmax(level[:, 50]) == 1000 * plots.N_FFT // SAMPLE_RATE


def test_one_db_range_across_clips(sine):
    first, second = (plots.spectrogram(x).images[0].get_clim() for x in (sine, 0.01 * sine))
    assert first == second == plots.DB_RANGE


def test_difference_of_a_quieter_copy_is_its_gain(sine):
    picture = plots.difference(sine, sine / 2).images[0].get_array()
    assert picture[32, 50] == pytest.approx(-6.02, abs=0.01)


def test_mel_axis_shows_the_tone_at_its_tick(sine):
    ax = plots.mel_spectrogram(sine)
    row = np.argmax(ax.images[0].get_array()[:, 50])
    tick = dict(zip([t.get_text() for t in ax.get_yticklabels()], ax.get_yticks(), strict=True))
    assert row + 0.5 == pytest.approx(tick["1"], abs=1.0)


@pytest.mark.parametrize("view", [plots.waveform, plots.spectrogram, plots.mel_spectrogram])
def test_axes_carry_units(sine, view):
    ax = view(sine)
    assert ax.get_xlabel() == "time (s)" and ax.get_ylabel()


def test_mel_panels_do_not_saturate():
    clip, _ = tone_clip(1.5, rng_for(0, "clean"))
    ax = plots.mel_spectrogram(clip)
    picture, (low, high) = ax.images[0].get_array(), ax.images[0].get_clim()
    active = picture > low + 20
    assert np.mean(picture[active] > high) < 0.01


def test_curves_of_every_kind_are_drawn_with_bands_in_the_legend():
    for gaps in (True, False):
        fig = plots.pseudo_pesq_curves(gaps)
        titles = [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes[: len(KINDS)]]
        assert titles == [plots.KIND_NAMES[kind] for kind in KINDS]
        names = [text.get_text() for text in fig.axes[-1].get_legend().get_texts()]
        assert "severity 2: medium" in names and "single speech clips, ± sd" in names


def test_every_axis_of_the_facts_is_used_or_hidden_and_counts_whole_clips():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"f0_hz": rng.random(9), "n_notes": rng.integers(3, 8, 9), "attack_s": 1.0}
    )
    fig = plots.facts_histograms(table, list(table))
    shown = [ax for ax in fig.axes if ax.get_visible()]
    labels = [ax.get_xlabel() for ax in shown]
    assert labels == ["pitch (Hz)", "number of notes", "attack (s)"]
    for ax in shown:
        assert all(tick == round(tick) for tick in ax.get_yticks())
        assert sum(bar.get_height() for bar in ax.patches) == len(table)


@pytest.mark.parametrize("severities", [(3,), (1, 2, 3)])
def test_the_grid_shows_the_clean_clip_once(sine, severities):
    damaged = {(kind, f"{kind} {s}"): sine for kind in KINDS for s in severities}
    fig = plots.degradation_grid(sine, damaged)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes if ax.images]
    assert titles.count("clean") == 1 and len(titles) == 2 + len(damaged)


def test_requested_and_measured_are_drawn_as_deviations():
    rows = [dict(kind=k, quantity=k, requested=v, measured=1.02 * v) for k in KINDS for v in (1, 2)]
    fig = plots.requested_against_measured(pd.DataFrame(rows))
    points = [ax.collections[0].get_offsets()[:, 1] for ax in fig.axes if ax.collections]
    assert len(points) == len(KINDS)
    np.testing.assert_allclose(points, 2.0)


def test_the_onset_is_found_where_the_note_begins():
    clip = np.zeros(SAMPLE_RATE)
    clip[8000:] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(8000) / SAMPLE_RATE)
    assert plots.onset_s(clip) == pytest.approx(0.5, abs=0.001)


def test_saved_at_150_dpi_with_equal_bytes(sine, tmp_path):
    for name in ("first", "second"):
        fig = plots.clip_views(sine)
        plots.save(fig, tmp_path, name)
    first, second = ((tmp_path / "figures" / f"{n}.png").read_bytes() for n in ("first", "second"))
    assert first == second
    assert plt.imread(tmp_path / "figures" / "first.png").shape[1] == 8 * 150
