"""Sliders, dropdowns and rows as all explorers have them; only what ipywidgets 7.7 and 8 share."""

import contextlib

import ipywidgets

STYLE = {"description_width": "90px"}


def slider(description, low, high, value, step, readout=True):
    """A slider that reports when it is let go: every report draws a picture."""
    return ipywidgets.FloatSlider(
        description=description,
        min=low,
        max=high,
        step=step,
        value=value,
        readout=readout,
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


@contextlib.contextmanager
def unobserved(control, handler):
    """Set a control from code without its handler taking that for the user's wish."""
    control.unobserve(handler, "value")
    yield
    control.observe(handler, "value")
