import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.degrade import KINDS
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


def test_curves_of_every_kind_are_drawn():
    fig = plots.pseudo_pesq_curves()
    assert [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes] == list(KINDS)


def test_saved_at_150_dpi_with_equal_bytes(sine, tmp_path):
    for name in ("first", "second"):
        fig = plots.clip_views(sine)
        plots.save(fig, tmp_path, name)
    first, second = ((tmp_path / "figures" / f"{n}.png").read_bytes() for n in ("first", "second"))
    assert first == second
    assert plt.imread(tmp_path / "figures" / "first.png").shape[1] == 8 * 150
