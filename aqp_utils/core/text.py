"""Numbers and intervals as a reader sees them."""

import math

MISSING = "–"


def interval_text(entry, digits=2):
    """An estimate as a reader sees it: "0.65 [0.60, 0.72]".

    Parameters
    ----------
    entry : dict
        value, low and high. Without ends there are no brackets, without a value a dash.
    digits : int
        After the point.
    """
    if entry["value"] is None:
        return "–"
    value, low, high = (
        "" if entry.get(key) is None else f"{entry[key]:.{digits}f}"
        for key in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]" if low and high else value


def number(value, digits=2):
    """A number as text with a true minus sign; "–" for None and what is not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def shown(name):
    """A file's name that can be printed and stored: control characters and odd bytes escaped."""
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
