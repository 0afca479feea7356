"""What a first pass over a recording finds: levels, what is odd, and what is no audio at all."""

import numpy as np

from aqp_utils.core.audio import MINIMUM_DURATION_S, SAMPLE_RATE

LONGEST_S = 12 * 3600.0
FAR_OVER = 4.0  # +12 dB over full scale: not headroom of a mix but another unit, or a broken file
NO_SIGNAL_PEAK = 2.0**-14  # two steps of 16 bits: less is dither
DC_WORTH_A_NOTE = 1e-3  # of full scale
CLIPPED_SHARE = 1e-3  # of samples standing still at full scale
CANCELLATION = 0.25  # power of the downmix over mean power of the channels (0.5 if unrelated)
HOLE_S = 0.02  # exact zeros shorter than this are no hole
HOLES_SHARE = 0.01  # of the recording in holes; less is not worth a word


class Survey:
    """What a first pass over the blocks of a recording finds; `add` stops at what is no audio."""

    def __init__(self, rate_hz, fine=True):
        self.rate_hz, self.n_frames, self.channels = rate_hz, 0, 0
        # Steps of 8 bits hide a floor of noise: their pauses are zeros by nature.
        self._holes = _Holes(rate_hz) if fine else None
        self.sum, self.low, self.high, self.peak = 0.0, np.inf, -np.inf, 0.0
        self.power_mono = self.power_channels = 0.0
        self.n_bad, self.first_bad, self.n_far, self.first_far = 0, None, 0, None
        self.n_over = self.n_still = 0

    def add(self, block):
        """Count one block, shape (frames, channels)."""
        self.channels = block.shape[1]
        self._count_bad(block)
        if not self.n_bad:
            self._measure(block)
        if self._holes:
            self._holes.add(block)
        self.n_frames += len(block)
        if self.n_frames > LONGEST_S * self.rate_hz:
            raise ValueError(f"longer than {LONGEST_S / 3600:.0f} h; cut it into parts")

    def _count_bad(self, block):
        size = np.abs(block)
        for name, wrong in (("bad", ~np.isfinite(block)), ("far", size > FAR_OVER)):
            rows = np.flatnonzero(wrong.any(axis=1))
            if len(rows) and getattr(self, f"first_{name}") is None:
                setattr(self, f"first_{name}", self.n_frames + int(rows[0]))
            setattr(self, f"n_{name}", getattr(self, f"n_{name}") + int(wrong.sum()))

    def _measure(self, block):
        size, mono = np.abs(block), downmix(block)
        self.sum += mono.sum(dtype=np.float64)
        self.low, self.high = min(self.low, mono.min()), max(self.high, mono.max())
        self.peak = max(self.peak, size.max())
        self.n_over += int((size > 1).sum())
        self.n_still += int(((size[1:] >= 0.99) & (block[1:] == block[:-1])).sum())
        self.power_mono += np.sum(np.square(mono, dtype=np.float64))
        self.power_channels += np.sum(np.square(block, dtype=np.float64)) / self.channels

    @property
    def dc(self):
        """Mean of the downmix."""
        return self.sum / max(1, self.n_frames)

    @property
    def clipped_share(self):
        """Share of samples that repeat the one before at full scale."""
        return self.n_still / max(1, self.n_frames * self.channels)

    def refuse(self):
        """Raise ValueError for what must never get a score."""
        if self.n_bad:
            raise ValueError(
                f"{self.n_bad} samples are NaN or infinite, the first at {self._at(self.first_bad)}"
            )
        if self.n_far:
            raise ValueError(
                f"{self.n_far} samples lie far over full scale (beyond ±{FAR_OVER:g}, up to "
                f"{self.peak:.4g}), the first at {self._at(self.first_far)}; scale them to ±1"
            )
        if self.n_frames < MINIMUM_DURATION_S * self.rate_hz:
            duration_s = self.n_frames / self.rate_hz
            raise ValueError(f"too short: {duration_s:.3f} s, need {MINIMUM_DURATION_S} s")
        if max(self.high - self.dc, self.dc - self.low) < NO_SIGNAL_PEAK:
            raise ValueError(f"no signal: {self._silence()}")

    def _at(self, frame):
        return f"index {frame} ({frame / self.rate_hz:.3f} s)"

    def _silence(self):
        if self.channels > 1 and self.peak > 10 * NO_SIGNAL_PEAK and abs(self.dc) < self.peak / 10:
            return f"its {self.channels} channels cancel each other when mixed to mono"
        if abs(self.dc) > NO_SIGNAL_PEAK:
            return f"only a constant offset (DC) of {self.dc:.3g}"
        return "only silence"

    def notes(self):
        """Sentences on what is odd."""
        notes = []
        if self.channels > 1:
            notes.append(f"{self.channels} channels mixed to mono (their mean)")
        if self.power_mono < CANCELLATION * self.power_channels:
            notes.append("the channels partly cancel in the mono mix")
        if self.rate_hz != SAMPLE_RATE:
            notes.append(f"resampled from {self.rate_hz:g} Hz to {SAMPLE_RATE} Hz")
        if abs(self.dc) > DC_WORTH_A_NOTE:
            notes.append(f"constant offset (DC) of {self.dc:+.3g} removed")
        if self.n_over:
            notes.append(f"{self.n_over} samples over full scale, peak {self.peak:.3g}; kept")
        if self.clipped_share > CLIPPED_SHARE:
            notes.append(f"{self.clipped_share:.1%} of the samples stand at full scale: clipped")
        return notes + (self._holes.notes(self.n_frames) if self._holes else [])

    def facts(self):
        """What `Recording.original` says."""
        return {
            "sample_rate_hz": float(self.rate_hz),
            "channels": self.channels,
            "duration_s": self.n_frames / self.rate_hz,
            "peak": float(self.peak),
            "dc": float(self.dc),
            "clipped_share": self.clipped_share,
        }


class ZeroRuns:
    """Runs of exact zeros between sound, in all channels, as blocks come."""

    def __init__(self):
        self._n_frames, self._last_sound = 0, None

    def add(self, block):
        """First frames and lengths of the runs that end in a block, shape (frames, channels)."""
        sounding = np.flatnonzero(block.any(axis=1)) + self._n_frames
        self._n_frames += len(block)
        if not len(sounding):
            return sounding, sounding
        before = sounding[0] - 1 if self._last_sound is None else self._last_sound
        lengths = np.diff(sounding, prepend=before) - 1
        self._last_sound = int(sounding[-1])
        return (sounding - lengths)[lengths > 0], lengths[lengths > 0]


class _Holes:
    """Runs of exact zeros, which no microphone gives: a gate's, or lost data."""

    def __init__(self, rate_hz):
        self._rate_hz, self._least = rate_hz, max(1, round(HOLE_S * rate_hz))
        self._runs, self._total, self._first = ZeroRuns(), 0, 0

    def add(self, block):
        starts, lengths = self._runs.add(block)
        holes = lengths >= self._least
        if holes.any() and not self._total:
            self._first = int(starts[holes][0])
        self._total += int(lengths[holes].sum())

    def notes(self, n_frames):
        if self._total <= HOLES_SHARE * n_frames:
            return []
        return [
            f"exact zeros inside the sound, {self._total / self._rate_hz:.3f} s "
            f"({self._total / n_frames:.1%}), the first from {self._first / self._rate_hz:.3f} s: "
            "the pauses of a gate, or lost data"
        ]


def downmix(block):
    """Mean of the channels; float64 in between makes identical channels exactly their own mean."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float64)
