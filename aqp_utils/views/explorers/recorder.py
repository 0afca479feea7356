"""A button that records in the browser and hands the sound over as a WAV file.

The browser's own means do it (getUserMedia, Web Audio; recorder.js). The file comes back
as text through a hidden widget, the one way that JupyterLab, the classic notebook, Voilà and Colab
share.
"""

import base64
import html
from pathlib import Path

import ipywidgets

from aqp_utils.views.players import BUTTON

LONGEST_S = 30  # about 4 MB as text at 48 kHz; Jupyter drops messages over 10 MB
NAME = "recording.wav"
_HANDLER = Path(__file__).with_name("recorder.js").read_text("utf-8")


def recorder(on_recording):
    """A button "Record"; where nothing can be recorded it says why in one sentence.

    Parameters
    ----------
    on_recording : callable
        Called with the content of a WAV file (bytes): mono, 16-bit PCM, at the browser's rate. What
        a page sends instead of base64 arrives as no bytes at all.

    Returns
    -------
    ipywidgets.HBox
    """
    button = ipywidgets.HTML(
        f'<button type="button" class="{BUTTON}" data-longest="{LONGEST_S}" '
        f'title="Record up to {LONGEST_S} s with the microphone of this device" '
        f'onclick="{html.escape(_HANDLER)}">● Record</button> <output role="status"></output>'
    )
    text = ipywidgets.Textarea(
        continuous_update=False, layout=ipywidgets.Layout(display="none"), description=NAME
    )

    def take(change):
        if change["new"]:
            content = _decoded(change["new"])
            text.value = ""  # the next recording may be the same, and none need stay in memory
            on_recording(content)

    text.observe(take, "value")
    box = ipywidgets.HBox([button, text])
    box.add_class("aqp-recorder")
    return box


def _decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
