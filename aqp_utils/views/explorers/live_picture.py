"""A picture that follows a slider: drawn once by `plots`, then only what moves is drawn again."""

import base64
import html
import io

import ipywidgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 80


class Panel:
    """One function of `plots` on one axis, with its data replaced instead of drawn anew.

    Parameters
    ----------
    ax : matplotlib Axes
    draw : callable
        (*clips, ax) -> None; draws one line or one image.
    of : sequence of int, optional
        Which clips of the picture `draw` gets; default: all.
    """

    def __init__(self, ax, draw, of=None):
        self.ax = ax
        self.draw = draw
        self._of = of
        self._shown = None
        self._unseen = Figure().add_subplot()
        self.artist = None

    def update(self, *clips):
        """Let `draw` work on an axis nobody sees, and move its data to the one that is seen."""
        clips = clips if self._of is None else [clips[i] for i in self._of]
        if self._shown is not None and all(map(np.array_equal, clips, self._shown)):
            return  # a slider leaves the clean clip as it is
        self._shown = clips
        if self.artist is None:
            self.draw(*clips, self.ax)
            self.artist = (*self.ax.images, *self.ax.lines)[0]
            self.artist.set_animated(True)
            return
        self.draw(*clips, self._unseen)
        drawn = (*self._unseen.images, *self._unseen.lines)[0]
        is_line = hasattr(drawn, "get_data")
        self.artist.set_data(drawn.get_data() if is_line else drawn.get_array())
        drawn.remove()


class LivePicture:
    """Panels in an HTML widget, as one img.

    Parameters
    ----------
    lay_out : callable
        figure -> list of Panel.
    finish : callable
        figure -> None; titles, colour bars and margins, once the panels are drawn.
    inches : (float, float)
        Width and height.
    """

    def __init__(self, lay_out, finish, inches):
        self.widget = ipywidgets.HTML()
        self._lay_out, self._finish, self._inches = lay_out, finish, inches
        self._n = None

    def show(self, clips, description):
        """Draw clips, each (n,); `description` is read to who cannot see the picture."""
        if len(clips[0]) != self._n:
            self._build(clips)
        canvas = self._figure.canvas
        canvas.restore_region(self._background)
        for panel in self._panels:
            panel.update(*clips)
            panel.ax.draw_artist(panel.artist)
        pixels = np.asarray(canvas.buffer_rgba())
        self.widget.value = picture_html(pixels, description)

    def _build(self, clips):
        """Everything that stays: axes, ticks, labels, colour bars."""
        self._n = len(clips[0])
        self._figure = Figure(figsize=self._inches, dpi=DPI, layout="none")
        FigureCanvasAgg(self._figure)
        self._panels = self._lay_out(self._figure)
        for panel in self._panels:
            panel.update(*clips)
        self._finish(self._figure)
        self._figure.canvas.draw()
        self._background = self._figure.canvas.copy_from_bbox(self._figure.bbox)


def picture_html(pixels, description):
    """Pixels, shape (height, width, 4), as an img element packed fast rather than small."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    image.save(buffer, "PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img style="width:100%;max-width:{pixels.shape[1]}px" '
        f'alt="{html.escape(description)}" src="data:image/png;base64,{data}">'
    )


def figure_html(fig, description):
    """A figure drawn once, as an img element."""
    fig.set_dpi(DPI)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return picture_html(np.asarray(canvas.buffer_rgba()), description)
