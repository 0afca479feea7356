"""Players in a plain HTML table, and the compressed audio behind them.

No level is ever touched: a quieter or a clipped clip has to sound quieter or clipped.
"""

import base64
import html
import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf
from IPython.display import HTML

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs


@dataclass(frozen=True)
class AudioFormat:
    """How a clip is stored inside a page."""

    mime: str
    label: str
    settings: dict  # of soundfile.write
    decoded_rate: int = SAMPLE_RATE  # Hz, of what a browser's decoder gives


# FLAC keeps every sample of the WAV file in about 60 % of its bytes and plays in Chrome 56,
# Firefox 51, Safari 11 and later. Opus needs half of that but is lossy, and Safari plays it in Ogg
# from 18.4 on only. compression_level 0.75 gives about 72 kbit/s: on degraded clips P.862.2 then
# moves by under 0.05 (tests/test_players.py), so what is heard is the degradation, not the codec.
FORMATS = {
    "flac": AudioFormat("audio/flac", "FLAC, lossless", {"format": "FLAC", "subtype": "PCM_16"}),
    "opus": AudioFormat(
        "audio/ogg",
        "Ogg/Opus, lossy",
        {"format": "OGG", "subtype": "OPUS", "compression_level": 0.75},
        decoded_rate=48_000,
    ),
    "wav": AudioFormat("audio/wav", "WAV, 16-bit PCM", {"format": "WAV", "subtype": "PCM_16"}),
}


def audio_data_uri(audio, audio_format="flac"):
    """A clip as the text of a data URI, for the `src` of an audio element.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Full scale 1.0, at `SAMPLE_RATE`; stored at the level it has.
    audio_format : str
        A key of `FORMATS`.

    Raises
    ------
    ValueError
        If a sample is not finite or lies outside full scale, or the format is unknown.
    """
    if audio_format not in FORMATS:
        raise ValueError(f"audio format {audio_format!r}: allowed are {', '.join(FORMATS)}.")
    audio = np.asarray(audio)
    peak = np.max(np.abs(audio), initial=0.0)
    if audio.ndim != 1 or len(audio) == 0 or not peak <= 1.0:
        raise ValueError(
            f"a player needs mono audio within ±1, shape (n,); this has shape {audio.shape} "
            f"and peak {peak:.3g}."
        )
    chosen = FORMATS[audio_format]
    buffer = io.BytesIO()
    sf.write(buffer, audio, SAMPLE_RATE, **chosen.settings)
    return f"data:{chosen.mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def player_table(clips, text=None, audio_format="flac"):
    """Players side by side under their captions, as plain HTML without scripts.

    Players work in JupyterLab, Colab, papermill copies and nbconvert pages; where a site strips
    them (GitHub), the captions and the length and level of each clip remain.

    Parameters
    ----------
    clips : dict
        caption -> audio, ndarray (n,); or row heading -> such a dict, for several rows.
    text : dict, optional
        Further columns: heading -> one text, or a sequence with one text per row.
    audio_format : str
        A key of `FORMATS`.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    ValueError
        As `audio_data_uri`, naming the clip.
    """
    several = isinstance(next(iter(clips.values()), None), dict)
    rows = clips if several else {"": clips}
    captions = list(dict.fromkeys(caption for row in rows.values() for caption in row))
    columns = {h: [t] if isinstance(t, str) else list(t) for h, t in (text or {}).items()}
    lines = [_row("th", [""] * several + captions + list(columns))]
    for number, (heading, row) in enumerate(rows.items()):
        players = [
            _player(f"{heading} {caption}".strip(), row[caption], audio_format)
            if caption in row
            else ""
            for caption in captions
        ]
        texts = [entries[number] for entries in columns.values()]
        lines.append(_row("td", [heading] * several + players + texts))
    return HTML('<table style="border-collapse:collapse">' + "".join(lines) + "</table>")


def _row(tag, cells):
    """One table row; what is no `HTML` already is escaped."""
    inner = (c.data if isinstance(c, HTML) else html.escape(str(c)) for c in cells)
    style = "text-align:left;padding:2px 10px 2px 0;vertical-align:middle"
    return "<tr>" + "".join(f'<{tag} style="{style}">{c}</{tag}>' for c in inner) + "</tr>"


def _player(name, audio, audio_format):
    try:
        uri = audio_data_uri(audio, audio_format)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    fallback = f"{len(audio) / SAMPLE_RATE:.1f} s at {rms_dbfs(audio):.1f} dBFS"
    return HTML(
        f'<audio controls preload="metadata" style="width:240px;height:36px" '
        f'aria-label="Player: {html.escape(str(name))}" src="{uri}">{fallback}</audio>'
    )


# A button of HTML that looks like those of ipywidgets where these are on the page.
BUTTON = "jupyter-widgets jupyter-button widget-button"
BUTTON_STYLE = "margin:0 0 4px;padding:0 12px;height:28px;width:auto"
ROW = "display:flex;flex-wrap:wrap;align-items:flex-end;gap:6px 12px"

# Runs from the attribute itself: HTML widgets and notebook outputs execute no script elements.
# The second player starts muted beside the first, so that nothing is missed in between.
_SWITCH = """
const players = [...this.parentElement.querySelectorAll('audio')];
const now = players.findIndex((p) => !p.paused);
const from = now < 0 ? Number(this.dataset.now) : now;
const [heard, next] = [players[from], players[1 - from]];
next.currentTime = heard.currentTime;
this.dataset.now = 1 - from;
if (!heard.paused) {
  next.muted = true;
  next.play().then(() => { next.muted = false; heard.pause(); });
}
"""


def switched_players(clips, audio_format="flac"):
    """Two players and a button that changes over between them at the same position.

    Parameters
    ----------
    clips : dict
        caption -> audio, ndarray (n,); two of one length.
    audio_format : str
        A key of `FORMATS`.

    Returns
    -------
    IPython.display.HTML
        For a notebook output or the value of an HTML widget.
    """
    cells = "".join(
        f'<label style="display:flex;flex-direction:column">'
        f"{html.escape(str(caption))}{_player(caption, audio, audio_format).data}</label>"
        for caption, audio in clips.items()
    )
    names = " and ".join(str(caption) for caption in clips)
    return HTML(
        f'<div style="{ROW}">{cells}'
        f'<button type="button" data-now="0" class="{BUTTON}" style="{BUTTON_STYLE}" '
        f'title="Change between {html.escape(names)} at the same position" '
        f'onclick="{html.escape(_SWITCH)}">Switch A/B</button></div>'
    )
