"""Measure P.862.2 against each degradation's parameter and fit the pseudo-PESQ curves.

    python scripts/fit_pseudo_pesq.py            # writes aqp_utils/assets/pseudo_pesq.json

Three kinds of clean clips are degraded over a grid and scored with P.862.2 (package pesq) and
STOI (package pystoi) against themselves: text-to-speech of espeak-ng, which must be installed on
the system, our own speech-like clips, and our tones. A curve is the mean of the first two, so that
no single synthesiser decides: text-to-speech has human phonetics, but dry sound and digital
silence, on which PESQ hears rooms and clipping more sharply; ours has a room and a floor, but no
words. The tones are stored for comparison.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
from pesq import pesq
from pystoi import stoi
from scipy.optimize import isotonic_regression
from tqdm import tqdm

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs
from aqp_utils.core.scale import to_scale
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, degrade
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.tones import tone_clip

OUT = Path(__file__).parent.parent / "aqp_utils" / "assets" / "pseudo_pesq.json"

BASIS = ("tts", "voice")
CLIP_S = 3.0
SMALLEST_STEP = 0.01  # between neighbouring knots, so that a curve never rests
RISE_ALLOWED = 0.05  # of P.862.2 from one grid value to the next, on a "steady" clip
SOURCES = {
    "tts": "text-to-speech of espeak-ng, 18 voices, 2 sentences each",
    "voice": "speech-like clips of aqp_utils.sources.formant_voice",
    "tones": "phrased tones of aqp_utils.sources.tones",
}

LOWPASS_NOTE = (
    "P.862.2 alone, like the other kinds. On single clips it can rise as the cutoff falls "
    "(steady_clips counts those where it does not), on average over voices it falls steadily. "
    "It is mild on narrow bands: listeners would be stricter."
)

# Mild to severe; the ends reach the ends of the scale, or as far as the damage goes.
GRIDS = {
    "noise": [60, 54, 48, 43, 38, 34, 30, 26, 22, 18, 13, 8, 0],
    "clip": [50, 44, 38, 34, 30, 26, 22, 18, 15, 12, 9, 7],
    "lowpass": [7500, 6500, 5500, 4500, 3600, 2800, 2100, 1500, 1050, 750, 500, 330, 200],
    "reverb": [0.03, 0.05, 0.08, 0.12, 0.16, 0.22, 0.3, 0.4, 0.55, 0.75, 1.1, 1.8],
    "compression": [0.005, 0.02, 0.05, 0.1, 0.15, 0.22, 0.3, 0.4, 0.5, 0.62, 0.78, 1.0],
}

# Two plain sentences for each of eighteen voices; "+m3", "+f2" … are espeak-ng's speakers.
SENTENCES = {
    "en-us+m3": (
        "The boats left the harbour before the sun was up.",
        "Please put two cups on the table near the window.",
    ),
    "en-gb+f2": (
        "She planted seven roses along the garden wall.",
        "A cold wind blew through the open kitchen door.",
    ),
    "de+m1": (
        "Der Zug nach Norden fährt heute eine Stunde später.",
        "Wir haben gestern frisches Brot und Käse gekauft.",
    ),
    "fr+f4": (
        "Le petit chat dort sur la chaise près du feu.",
        "Nous prendrons le train de huit heures demain matin.",
    ),
    "es+m7": (
        "La niña corre por la playa con su perro.",
        "Mañana iremos al mercado a comprar naranjas.",
    ),
    "it+f1": (
        "Il vecchio ponte attraversa il fiume da molti anni.",
        "Questa sera mangiamo la pasta con gli amici.",
    ),
    "pt+m5": (
        "O barco azul voltou ao porto com muitos peixes.",
        "Amanhã vamos visitar a casa da minha avó.",
    ),
    "nl+f3": (
        "De kinderen spelen elke middag in het park.",
        "Hij schrijft een lange brief aan zijn broer.",
    ),
    "sv+m2": (
        "Solen skiner över sjön och fåglarna sjunger.",
        "Vi dricker kaffe tillsammans varje söndag.",
    ),
    "pl+f5": (
        "Stary zamek stoi na wysokim wzgórzu nad rzeką.",
        "Jutro rano pojedziemy razem do miasta.",
    ),
    "cs+m4": (
        "Na stole leží kniha a vedle ní modrá tužka.",
        "Večer půjdeme do divadla s celou rodinou.",
    ),
    "ru+f2": ("Сегодня утром в саду пели птицы.", "Мы читаем новую книгу о далёких странах."),
    "tr+m6": (
        "Kedi pencerenin önünde uyuyor ve güneş parlıyor.",
        "Yarın sabah erkenden yola çıkacağız.",
    ),
    "fi+f1": (
        "Vanha mies istuu rannalla ja katsoo merelle.",
        "Huomenna menemme metsään keräämään marjoja.",
    ),
    "el+m3": (
        "Το καράβι φεύγει από το λιμάνι το πρωί.",
        "Τα παιδιά παίζουν στην αυλή του σχολείου.",
    ),
    "hu+f4": ("A kertben piros almák nőnek a fákon.", "Holnap reggel korán indulunk a városba."),
    "ro+m1": (
        "Copiii aleargă pe câmp după ploaie.",
        "Bunica face pâine proaspătă în fiecare dimineață.",
    ),
    "hi+f3": ("बच्चे बगीचे में खेल रहे हैं।", "कल हम सब मिलकर बाज़ार जाएँगे।"),
}


def spoken_clips():
    """Read every sentence with espeak-ng, trimmed, 16 kHz, active level -26 dBFS."""
    clips = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentence.wav"
        for voice, sentences in SENTENCES.items():
            for text in sentences:
                subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), text], check=True)
                audio, sample_rate = sf.read(path)
                audio = librosa.resample(audio, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
                active = np.flatnonzero(active_mask(audio))
                audio = audio[active[0] : active[-1] + 1]
                clips.append(set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)))
    return clips


def measure(clips, kind, seed):
    """P.862.2 and STOI of every clip at every grid value, each shape (clips, grid)."""
    scores = np.empty((2, len(clips), len(GRIDS[kind])))
    for i, clean in enumerate(tqdm(clips, desc=kind, leave=False)):
        for k, parameter in enumerate(GRIDS[kind]):
            damaged = degrade(clean, kind, parameter, np.random.default_rng([seed, i, k]))
            scores[:, i, k] = (
                pesq(SAMPLE_RATE, clean.astype(np.float32), damaged.astype(np.float32), "wb"),
                stoi(clean, damaged, SAMPLE_RATE),
            )
    return scores


def summary(scores):
    """What is stored of the measured scores of one source."""
    p862_2, intelligibility = scores
    return {
        "n_clips": len(p862_2),
        "p862_2_mean": np.round(p862_2.mean(0), 4).tolist(),
        "p862_2_sd": np.round(p862_2.std(0, ddof=1), 4).tolist(),
        "steady_clips": int(np.sum(np.all(np.diff(p862_2, axis=1) < RISE_ALLOWED, axis=1))),
        "stoi_mean": np.round(intelligibility.mean(0), 4).tolist(),
    }


def fit_knots(p862_2_mean):
    """Scores on the scale that fall strictly from mild to severe, shape (grid,)."""
    score = isotonic_regression(to_scale(p862_2_mean), increasing=False).x
    for k in range(1, len(score)):
        score[k] = min(score[k], score[k - 1] - SMALLEST_STEP)
    return np.round(score, 4)


def own_clips(synthesise, stream, seed):
    """Clips of one of our synthesisers, as many as there are sentences."""
    n_clips = sum(len(sentences) for sentences in SENTENCES.values())
    return [
        np.asarray(synthesise(CLIP_S, np.random.default_rng([seed, stream, i]))[0], dtype=float)
        for i in range(n_clips)
    ]


def fit_kind(kind, sources, seed):
    """Table entry of one kind: its knots and the measurement of every source."""
    measured = {name: summary(measure(clips, kind, seed)) for name, clips in sources.items()}
    score = fit_knots(np.mean([measured[name]["p862_2_mean"] for name in BASIS], axis=0))
    return {
        "unit": DEGRADATIONS[kind].unit,
        "log_axis": DEGRADATIONS[kind].log_axis,
        "knots": {"parameter": GRIDS[kind], "score": score.tolist()},
        "measured": measured,
    }


def about(seed):
    """Where the numbers come from."""
    espeak = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True)
    packages = ("pesq", "pystoi", "numpy", "scipy", "librosa")
    return {
        "made_by": "scripts/fit_pseudo_pesq.py",
        "date": datetime.date.today().isoformat(),
        "seed": seed,
        "basis": BASIS,
        "sources": SOURCES,
        "scale": "P.862.2 of 1.02 to 4.644 mapped linearly to 1.0 to 4.5",
        "lowpass": LOWPASS_NOTE,
        "versions": {
            "python": platform.python_version(),
            "espeak-ng": espeak.stdout.split("Data at")[0].strip(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def main():
    """Measure, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    sources = {
        "tts": spoken_clips(),
        "voice": own_clips(speech_clip, 1, arguments.seed),
        "tones": own_clips(tone_clip, 2, arguments.seed),
    }
    kinds = {kind: fit_kind(kind, sources, arguments.seed) for kind in KINDS}
    table = {"about": about(arguments.seed), "kinds": kinds}
    temporary = arguments.out.with_suffix(".part")
    temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, arguments.out)


if __name__ == "__main__":
    main()
