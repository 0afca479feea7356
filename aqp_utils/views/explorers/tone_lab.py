"""Build a tone by sliders from the parts of `sources.tones`, as notebook 01 does step by step."""

import ipywidgets

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, set_level_dbfs
from aqp_utils.sources.tones import harmonics, note_envelope, tremolo, vibrato_phase
from aqp_utils.views import plots
from aqp_utils.views.explorers.live_picture import LivePicture, Panel
from aqp_utils.views.explorers.sliders import beside, slider
from aqp_utils.views.players import player_table

DURATION_S = 2.0
ATTACK_S, RELEASE_S = 0.03, 0.06
CLOSE_UP_S = (1.0, 1.03)  # enough for three periods of the lowest pitch
AMPLITUDE_LIMIT = 0.3


def tone_lab():
    """Pitch, partials, vibrato and tremolo by sliders; see and hear the tone.

    Returns
    -------
    ipywidgets.VBox
    """
    return _ToneLab().widget


def tone(
    pitch_hz, n_harmonics, tilt_db_per_octave,
    vibrato_rate_hz, vibrato_depth_cents, tremolo_rate_hz, tremolo_depth,
):  # fmt: skip
    """One note of `DURATION_S`, shape (n,), at an active level of −26 dBFS.

    Parameters
    ----------
    pitch_hz : float
    n_harmonics : int
        Partials asked for; those above 7.2 kHz are left out.
    tilt_db_per_octave : float
        How much the partials fall.
    vibrato_rate_hz, vibrato_depth_cents : float
    tremolo_rate_hz, tremolo_depth : float
        Depth from 0 to 1.
    """
    n = round(DURATION_S * SAMPLE_RATE)
    phase = vibrato_phase(pitch_hz, n, vibrato_rate_hz, vibrato_depth_cents)
    audio = harmonics(phase, pitch_hz, int(n_harmonics), tilt_db_per_octave)
    audio *= tremolo(n, tremolo_rate_hz, tremolo_depth) * note_envelope(n, ATTACK_S, RELEASE_S)
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS)


class _ToneLab:
    """Sliders, player and picture of `tone_lab`."""

    def __init__(self):
        self._sliders = {
            "pitch_hz": slider("pitch (Hz)", 80, 1000, 220, 1),
            "n_harmonics": slider("harmonics", 1, 30, 10, 1),
            "tilt_db_per_octave": slider("tilt (dB/oct)", 0, 18, 6, 0.5),
            "vibrato_rate_hz": slider("vibrato (Hz)", 0.5, 10, 5.5, 0.1),
            "vibrato_depth_cents": slider("depth (cent)", 0, 100, 30, 1),
            "tremolo_rate_hz": slider("tremolo (Hz)", 0.5, 80, 5, 0.5),
            "tremolo_depth": slider("depth (0–1)", 0, 1, 0.3, 0.01),
        }
        self._player = ipywidgets.HTML()
        self._picture = LivePicture(_lay_out, _finish, (12, 4))
        pitch, count, tilt, *modulation = self._sliders.values()
        rows = [beside(pitch, count, tilt), beside(*modulation[:2]), beside(*modulation[2:])]
        self.widget = ipywidgets.VBox([*rows, self._player, self._picture.widget])
        for control in self._sliders.values():
            control.observe(self._on_change, "value")
        self._on_change(None)

    def _on_change(self, _):
        audio = tone(**{name: control.value for name, control in self._sliders.items()})
        self._player.value = player_table({"tone": audio}).data
        pitch_hz = self._sliders["pitch_hz"].value
        self._picture.show([audio], f"Tone of {pitch_hz:g} Hz: waveform and spectrogram.")


def _lay_out(figure):
    """Waveform above a close-up on the left, spectrogram on the right."""
    grid = figure.add_gridspec(2, 2)
    start, end = (round(time_s * SAMPLE_RATE) for time_s in CLOSE_UP_S)
    return [
        Panel(
            figure.add_subplot(grid[0, 0]),
            lambda audio, ax: plots.waveform(audio, ax, limit=AMPLITUDE_LIMIT),
        ),
        Panel(
            figure.add_subplot(grid[1, 0]),
            lambda audio, ax: plots.waveform(audio[start:end], ax, limit=AMPLITUDE_LIMIT),
        ),
        Panel(
            figure.add_subplot(grid[:, 1]),
            lambda audio, ax: plots.spectrogram(audio, ax, colorbar=False),
        ),
    ]


def _finish(figure):
    whole, close_up, picture = figure.axes
    start_s, end_s = CLOSE_UP_S
    whole.set_title("whole tone", loc="left", fontweight="bold")
    close_up.set_title(
        f"{1000 * (end_s - start_s):.0f} ms from {start_s:g} s on", loc="left", fontweight="bold"
    )
    picture.set_title("STFT", loc="left", fontweight="bold")
    figure.colorbar(picture.images[0], ax=picture, label="level (dBFS)", pad=0.01)
    figure.subplots_adjust(0.06, 0.13, 0.985, 0.93, 0.15, 0.6)
