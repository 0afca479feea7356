"""Speech from the text-to-speech programs that this machine happens to have, and from none else.

espeak-ng (formant synthesis, about a hundred languages), flite and festival (diphones and hidden
Markov models) are free programs that a system's package manager installs; pico, the small voices
that telephones once had, comes as the Python package ttspico (Apache licence). None is needed:
without them the `field` training hears the project's own voices only, and says so. They say nothing
worth understanding: random syllables and numbers, in a random language, by a random speaker.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs
from aqp_utils.core.randomness import log_uniform

TIMEOUT_S = 30
SPEAKER_SCALES = (0.86, 1.3)  # played faster or slower: another vocal tract and another pitch


WORDS_PER_S = (2.0, 3.6)
STRETCHES = (0.65, 1.15)  # of flite's and festival's durations; as they come they speak slowly


def _words(text):
    return tuple(text.split())


# Languages that espeak-ng reads from another alphabet; of these it gets numbers only.
OTHER_ALPHABETS = _words(
    "am ar as be bg bn bpy cmn cv el fa grc gu hak haw he hi hy hyw ja ka kk kn "
    "ko kok ky mk ml mr my ne or pa ru ru-lv sd shn si ta te th tt ug uk ur yue"
)
NOT_LANGUAGES = _words("chr-US-Qaaa-x-west cmn-latn-pinyin fa-latn jbo nci piqd py qdb qya sjn smj")
# Variants of espeak-ng's speakers; robots and announcements in halls are left out.
ESPEAK_VARIANTS = _words(
    "male2 male3 male4 male5 male6 male7 male8 female1 female2 female3 female4 female5 klatt "
    "klatt2 klatt3 klatt4 klatt5 klatt6 Adam Alicia Andrea Andy Annie Antonio Belinda Benjamin "
    "Boris Caleb David Denis Diogo Ed Edward Gene Gustave Henrique Hugo Iven Jacky John Lee "
    "Linda Marcelo Marco Mario Max Michael Mike Pablo Paul Pedro Quincy Rob Robert Steph Tweaky "
    "Zac anika grandpa sandro shelby travis victor"
)
FLITE_VOICES = ("awb", "kal16", "rms", "slt")
FESTIVAL_VOICES = (
    "cmu_us_slt_arctic_hts",
    "upc_ca_ona_hts",
    "czech_dita",
    "czech_machac",
    "czech_ph",
    "kal_diphone",
    "ked_diphone",
    "hy_fi_mv_diphone",
    "suo_fi_lj_diphone",
    "lp_diphone",
    "pc_diphone",
    "msu_ru_nsh_clunits",
)
PICO_LANGUAGES = ("de-DE", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT")
# A process of its own: a fault in the engine must not take the training along.
PICO_SCRIPT = """
import sys, wave, ttspico
language, pitch, rate, text, path = sys.argv[1:]
engine = ttspico.TtsEngine(language)
engine.pitch, engine.rate = int(pitch), int(rate)
with wave.open(path, "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes(engine.speak(text))
"""

CONSONANTS = _words("b d f g k l m n p r s t v z br dr fl gr kl kr pl pr sk st tr")
VOWELS = _words("a a e e i i o o u ai au ei")
CODAS = ["", "", "", "n", "r", "s", "l", "m", "t"]


@cache
def synthesizers():
    """The programs that are installed here, each with its voices.

    Returns
    -------
    dict
        Program -> tuple of its voices (languages, for espeak-ng); empty if there is none.
    """
    found = {}
    for program, list_voices in (
        ("espeak-ng", _espeak_languages),
        ("flite", lambda: FLITE_VOICES),
        ("festival", _festival_voices),
    ):
        if shutil.which(program) and (voices := tuple(list_voices())):
            found[program] = voices
    if importlib.util.find_spec("ttspico"):
        found["pico"] = PICO_LANGUAGES
    return found


def _espeak_languages():
    listing = subprocess.run(
        ["espeak-ng", "--voices"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    ).stdout.splitlines()
    return sorted({line.split()[1] for line in listing[1:]} - set(NOT_LANGUAGES))


def _festival_voices():
    folders = (Path("/usr/share/festival/voices"), Path("/usr/local/share/festival/voices"))
    installed = {path.name for folder in folders for path in folder.glob("*/*")}
    return [voice for voice in FESTIVAL_VOICES if voice in installed]


def random_text(rng, n_words, numbers_only=False):
    """Words that do not exist, with numbers among them and commas between some."""
    words = []
    for _ in range(n_words):
        if numbers_only or rng.random() < 0.15:
            words.append(str(rng.integers(1, 10 ** rng.integers(1, 5))))
        else:
            words.append("".join(_syllable(rng) for _ in range(rng.integers(1, 4))))
        if rng.random() < 0.12:
            words[-1] += ","
    return " ".join(words) + "."


def _syllable(rng):
    parts = (CONSONANTS, VOWELS, CODAS)
    return "".join(part[rng.integers(len(part))] for part in parts)


def _espeak_command(voices, text_of, rng, path):
    language = voices[rng.integers(len(voices))]
    variant = ESPEAK_VARIANTS[rng.integers(len(ESPEAK_VARIANTS))] if rng.random() < 0.85 else ""
    text = text_of(language in OTHER_ALPHABETS)
    voice = f"{language}+{variant}" if variant else language
    speed_wpm, pitch = rng.integers(130, 300), rng.integers(20, 99)
    return voice, [
        "espeak-ng", "-v", voice, "-s", str(speed_wpm), "-p", str(pitch), "-w", path, text,
    ]  # fmt: skip


def _flite_command(voices, text_of, rng, path):
    voice = voices[rng.integers(len(voices))]
    stretch = rng.uniform(*STRETCHES)
    return voice, [
        "flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}",
        "-t", text_of(False), "-o", path,
    ]  # fmt: skip


def _festival_command(voices, text_of, rng, path):
    voice = voices[rng.integers(len(voices))]
    stretch = rng.uniform(*STRETCHES)
    script = (
        f"(begin (voice_{voice}) (Parameter.set 'Duration_Stretch {stretch:.3f}) (utt.save.wave "
        f'(utt.synth (Utterance Text "{text_of(False)}")) "{path}" (quote riff)))'
    )
    return voice, ["festival", "-b", script]


def _pico_command(voices, text_of, rng, path):
    voice = voices[rng.integers(len(voices))]
    pitch, rate = rng.integers(60, 150), rng.integers(80, 180)  # percent
    text = text_of(False)
    return voice, [sys.executable, "-c", PICO_SCRIPT, voice, str(pitch), str(rate), text, path]


COMMANDS = {
    "espeak-ng": _espeak_command,
    "flite": _flite_command,
    "festival": _festival_command,
    "pico": _pico_command,
}


def synthesized_speech(program, duration_s, rng):
    """Let one program speak: a random voice, language, rate and text.

    Parameters
    ----------
    program : str
        A key of `synthesizers()`.
    duration_s : float
        Length in seconds; an utterance that is shorter is followed by silence, of a longer one a
        random stretch is taken.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, active level -26 dBFS.
    facts : dict
        program, voice, speaker_scale (playback speed: over 1 is a smaller speaker).

    Raises
    ------
    RuntimeError
        If the program fails or stays silent.
    """
    scale = log_uniform(rng, *SPEAKER_SCALES)
    n_words = int(np.ceil(duration_s * scale * rng.uniform(*WORDS_PER_S)))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "speech.wav")
        voice, command = COMMANDS[program](
            synthesizers()[program],
            lambda numbers_only: random_text(rng, n_words, numbers_only),
            rng,
            path,
        )
        audio, rate_hz = _run(command, path, f"{program} ({voice})")
    audio = soxr.resample(audio, rate_hz * scale, SAMPLE_RATE)
    audio = _fit(audio, round(duration_s * SAMPLE_RATE), rng)
    if not audio.any():
        raise RuntimeError(f"{program} ({voice}): no sound.")
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    facts = {"program": program, "voice": voice, "speaker_scale": scale}
    return audio.astype(np.float32), facts


def _run(command, path, who):
    try:
        subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True)
        return sf.read(path, dtype="float64")
    except (OSError, subprocess.SubprocessError, sf.SoundFileError) as error:
        raise RuntimeError(f"{who}: {type(error).__name__}.") from error


def _fit(audio, n, rng):
    """A random stretch of `n` samples, or all of it with silence behind."""
    start = int(rng.integers(max(1, len(audio) - n + 1)))
    part = audio[start : start + n]
    return np.pad(part, (0, n - len(part)))
