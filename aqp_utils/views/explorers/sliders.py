"""Sliders, dropdowns, rows and bars of all explorers; only what ipywidgets 7.7 and 8 share."""

import contextlib

import ipywidgets

STYLE = {"description_width": "90px"}


def slider(description, low, high, value, step, readout=True):
    """A slider that reports when it is let go: every report draws a picture."""
    decimals = len(f"{step:g}".partition(".")[2])
    return ipywidgets.FloatSlider(
        description=description,
        min=low,
        max=high,
        step=step,
        value=value,
        readout=readout,
        readout_format=f".{decimals}f",
        continuous_update=False,
        style=STYLE,
    )


def strength_slider(description):
    """From 0, mildest, to 1, strongest; what that means is written beside it."""
    return slider(description, 0, 1, 0, 0.01, readout=False)


def dropdown(description, options, value):
    """One of several, by name."""
    return ipywidgets.Dropdown(
        description=description,
        options=options,
        value=value,
        style=STYLE,
        layout=ipywidgets.Layout(width="240px"),
    )


def beside(*children):
    """Side by side, wrapping where the window is narrow."""
    return ipywidgets.HBox(children, layout=ipywidgets.Layout(flex_flow="row wrap"))


def together(*children):
    """A control with what it says; as wide as its like, so that several rows line up."""
    return ipywidgets.HBox(children, layout=ipywidgets.Layout(width="440px"))


@contextlib.contextmanager
def unobserved(control, handler):
    """Set a control from code without its handler taking that for the user's wish.

    Yields
    ------
    None
        While `handler` does not hear of changes.
    """
    control.unobserve(handler, "value")
    yield
    control.observe(handler, "value")


def bar(share, color="#0173b2"):
    """HTML of a bar from its middle to the left (−1) or to the right (1)."""
    side = "left" if share >= 0 else "right"
    return (
        '<span style="display:inline-block;position:relative;width:120px;height:10px">'
        f'<i style="position:absolute;top:0;bottom:0;background:{color};{side}:50%;'
        f'width:{50 * min(1, abs(share)):.1f}%"></i></span>'
    )
