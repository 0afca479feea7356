"""The damage catalogue: what happens to real recordings, alone and one after another.

Every damage of the `field` preset has one knob, its intensity: 0 is the mildest there is, 1 the
severest. In between the knob follows P.862.2: measured curves (an asset) bend it so that the score
falls about evenly. A damage without a curve takes its intensity as its strength.

The five kinds of the study are in `degrade`, with their physical parameters; what the study's
predictor has never heard is at the end of this page.
"""

import json
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from aqp_utils.core.audio import rms_dbfs
from aqp_utils.core.package import ASSETS
from aqp_utils.degradations import (
    bands,
    clipping,
    dynamics,
    enhancement,
    noise,
    reverberators,
    rooms,
)
from aqp_utils.degradations.codecs import (
    ffmpeg,
    libsndfile,
    packets,
    telephone,
    transform,
    vocoders,
)
from aqp_utils.degradations.degrade import DEGRADATIONS
from aqp_utils.degradations.rare import accidents, effects, interference, processors
from aqp_utils.degradations.timing import clocks, tempo, time_scale

SHORTEST = 1_600  # samples, 0.1 s; less holds no frame of most codecs
SILENT_DBFS = -120.0

# Families in the order of a real chain: the place, the microphone's gain, what is done to the
# recording, the way it is sent, what gets lost. The number is the family's weight in a draw.
FAMILIES = {
    "room": 2.0,
    "noise": 2.0,
    "clip": 1.4,
    "level": 1.0,
    "enhancement": 0.8,
    "band": 1.5,
    "tempo": 1.8,
    "codec": 3.2,
    "packets": 1.0,
}


@cache
def curves():
    """Name -> strengths at evenly spaced intensities, measured by scripts/fit_field_curves.py."""
    return json.loads((ASSETS / "catalogue_curves.json").read_text("utf-8"))["curves"]


def _always():
    return True


@dataclass(frozen=True)
class FieldDamage:
    """A kind of damage.

    Attributes
    ----------
    name : str
    family : str
        A key of `FAMILIES`.
    function : callable
        (audio, strength, rng) -> (audio, facts), strength 0 to 1 on its own axis.
    about : str
        One line.
    weight : float
        In a draw from its family; 0 for what is `RARE`.
    available : callable
        () -> bool; false where an optional codec is missing.
    """

    name: str
    family: str
    function: callable
    about: str
    weight: float = 1.0
    available: callable = _always

    def strength(self, intensity):
        """Strength at an intensity: straight lines between the points of its curve."""
        return float(np.interp(intensity, *self._curve()))

    def intensity(self, strength):
        """Intensity at a strength: the inverse of `strength`."""
        intensities, strengths = self._curve()
        return float(np.interp(strength, strengths, intensities))

    def _curve(self):
        strengths = curves().get(self.name, (0.0, 1.0))
        return np.linspace(0, 1, len(strengths)), strengths

    def apply(self, audio, intensity, rng):
        """Damage a clip.

        Parameters
        ----------
        audio : ndarray, shape (n,)
            16 kHz, mono, at any level; at least 0.1 s and not silent.
        intensity : float
            0 (the mildest there is) to 1 (the severest).
        rng : numpy.random.Generator

        Returns
        -------
        audio : ndarray of float64, shape (n,)
            In time with the input; its level is what the damage made of it.
        facts : dict of float and str
            Parameters in physical units.

        Raises
        ------
        ValueError
            If the clip or the intensity is not as above.
        RuntimeError
            If an optional codec is missing.
        """
        audio = np.asarray(audio, dtype=np.float64)
        check_clip(audio, intensity, self.name)
        result, facts = self.function(audio, self.strength(intensity), rng)
        return result, facts


def check_clip(audio, intensity, name):
    """Raise ValueError in one sentence if a damage called `name` cannot take a clip."""
    if audio.ndim != 1 or len(audio) < SHORTEST:
        raise ValueError(
            f"{name}: the clip has the shape {audio.shape}; it takes one axis of {SHORTEST} "
            "samples (0.1 s) or more."
        )
    if not np.all(np.isfinite(audio)):
        raise ValueError(f"{name}: the clip has samples that are not finite; it takes numbers.")
    if rms_dbfs(audio) < SILENT_DBFS:
        raise ValueError(f"{name}: the clip is silent; it takes {SILENT_DBFS:.0f} dBFS or more.")
    if not 0 <= intensity <= 1:
        raise ValueError(f"{name}: the intensity is {intensity}; allowed is 0 to 1.")


def _listed(family, *functions, **options):
    """Damages of one family; a function names its damage, and its docstring says what it does."""
    return [
        FieldDamage(one.__name__, family, one, one.__doc__.partition("\n")[0], **options)
        for one in functions
    ]


def _rare(family, *functions):
    """What no draw from its family meets."""
    return _listed(family, *functions, weight=0.0)


def _coded(function, encoder, **options):
    """A codec that is there where PyAV is installed and has its encoder."""
    can_code = partial(ffmpeg.can_code, encoder)
    return _listed("codec", function, available=can_code, **options)


ALL_DAMAGES = [
    *_listed(
        "room",
        rooms.statistical_room,
        rooms.shoebox_room,
        reverberators.delay_network,
        reverberators.schroeder_reverberator,
        reverberators.echoes,
    ),
    *_listed("room", rooms.reverberator, weight=2.5),  # whose tuning most tools share
    *_listed(
        "noise",
        noise.white_noise,
        noise.colour_noise,
        noise.shaped_noise,
        noise.hum_and_hiss,
        noise.babble,
        noise.music,
        noise.clicks,
    ),
    *_listed(
        "clip",
        clipping.clip_at_quantile,
        clipping.clip_at_si_sdr,
        clipping.clip_softly,
        clipping.clip_asymmetrically,
        clipping.overshoot,
    ),
    *_listed(
        "level",
        dynamics.gain_steps,
        dynamics.pumping,
        dynamics.noise_gate,
        dynamics.musical_noise,
        dynamics.quiet_16_bit,
        clipping.few_bits,
    ),
    *_listed(
        "enhancement", enhancement.over_suppressed, enhancement.torn_mask, enhancement.smeared
    ),
    *_listed(
        "band",
        bands.lowpass_first_order,
        bands.lowpass_second_order,
        bands.lowpass_steep,
        telephone.lowpass_brick_wall,
        bands.highpass,
        bands.telephone_band,
        bands.resampled,
        bands.resampled_badly,
    ),
    *_listed("tempo", tempo.wsola_round_trip, weight=2.0),  # what most tools do, and hard to hear
    *_listed("tempo", tempo.vocoder_round_trip),
    *_listed(
        "tempo",
        time_scale.sola_round_trip,
        time_scale.psola_round_trip,
        clocks.wow_and_flutter,
    ),
    *_listed("tempo", time_scale.mixed_round_trip, weight=1.5),
    *_listed("tempo", time_scale.locked_vocoder_round_trip, weight=0.5),
    *_listed("codec", libsndfile.mp3, libsndfile.opus, weight=2.0),  # what people meet most
    *_listed(
        "codec",
        libsndfile.vorbis,
        libsndfile.waveform_codec,
        transform.transform_codec,
        clipping.modulated_noise,
        vocoders.lpc_vocoder,
        vocoders.mel_vocoder,
        vocoders.disturbed_phases,
        telephone.call,
        telephone.companded,
        telephone.gsm,
    ),
    *_coded(ffmpeg.aac, "aac", weight=2.0),
    *_coded(ffmpeg.mp2, "mp2"),
    *_coded(ffmpeg.amr_nb, "libopencore_amrnb"),
    *_coded(ffmpeg.g722, "g722"),
    *_coded(ffmpeg.g726, "g726"),
    *_coded(ffmpeg.sbc, "sbc"),
    *_coded(ffmpeg.ac3, "ac3", weight=0.5),
    *_coded(ffmpeg.nellymoser, "nellymoser", weight=0.5),
    *_coded(ffmpeg.g723_1, "g723_1", weight=0.5),
    *_coded(ffmpeg.real_144, "real_144", weight=0.3),
    *_listed("packets", packets.packet_loss, packets.dropouts, clocks.buffer_slips),
]
# What recordings meet now and then, which no draw from a family meets: of the family whose marks it
# leaves. Two shelves, as the clips of the first were made before the second was there.
RARE = (
    [
        *_rare("room", effects.swaying_echoes),
        *_rare(
            "noise", interference.tones, interference.gusts, interference.buzz, interference.knocks
        ),
        *_rare("level", effects.tremolo, effects.ring_modulation, effects.frequency_shift),
        *_rare("enhancement", effects.spectral_gate),
        *_rare("band", effects.equaliser, effects.sample_and_hold),
    ],
    [
        *_rare("room", processors.resonances),
        *_rare("noise", interference.bursts, interference.other_talker, accidents.bit_errors),
        *_rare(
            "clip",
            accidents.wrapped,
            accidents.dead_zone,
            accidents.bent,
            accidents.slew_limited,
            processors.distorted_band,
        ),
        *_rare("level", processors.bands_compressed),
        *_rare("enhancement", processors.holes, processors.rounded_levels),
        *_rare("band", processors.swept_filter, processors.wandering_response),
        *_rare("packets", accidents.repeats, accidents.shuffled_grains),
    ],
)
ALL_DAMAGES += [damage for shelf in RARE for damage in shelf]
DAMAGES = {damage.name: damage for damage in ALL_DAMAGES if damage.available()}


@dataclass(frozen=True)
class UnseenDamage:
    """A damage that the study never trained on, and the steps of its parameter, mild to severe.

    Attributes
    ----------
    apply : callable
        (audio, parameter, rng) -> audio.
    parameter, unit : str
    steps : tuple of float
    """

    apply: callable
    parameter: str
    unit: str
    steps: tuple


def _noise(apply):
    white = DEGRADATIONS["noise"]
    return UnseenDamage(apply, white.parameter, white.unit, (50.0, 40.0, 30.0, 20.0, 10.0))


def _coloured(exponent):
    return _noise(partial(noise.add_coloured_noise, exponent=exponent))


def _rated(codec, steps_kbps):
    return UnseenDamage(
        lambda audio, kbps, rng: libsndfile.through_codec(audio, codec, kbps),
        "bit rate",
        "kbit/s",
        steps_kbps,
    )


TRAINED_ON = "white noise (trained on)"
UNSEEN = {
    TRAINED_ON: _noise(DEGRADATIONS["noise"].apply),
    "pink noise": _coloured(1),
    "brown noise": _coloured(2),
    "blue noise": _coloured(-1),
    "MP3": _rated("mp3", (64.0, 32.0, 24.0, 16.0, 8.0)),
    "Opus": _rated("opus", (64.0, 32.0, 24.0, 12.0, 6.0)),
}
