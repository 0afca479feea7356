"""Features in a table of a widget: their names as people write them, and rows in columns."""

import html

from aqp_utils.views.text import feature_label

NUMBER = "text-align:right;font-variant-numeric:tabular-nums"


def feature_cells(feature):
    """Name and unit of a feature as HTML."""
    unit = "" if feature.unit == "1" else feature.unit
    return html.escape(feature_label(feature.name)), html.escape(unit)


def feature_tables(head, rows, n_tables=1):
    """Rows of HTML cells as tables beside one another, below one another where it is narrow.

    Parameters
    ----------
    head : sequence of str
        Headings.
    rows : list of sequence of str
        HTML cells; from the third on, all but the last column hold numbers.
    n_tables : int
    """
    size = -(-len(rows) // n_tables)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    tables = "".join(_table(head, part) for part in parts)
    return (
        f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:0 40px">{tables}</div>'
    )


def _table(head, rows):
    lines = [_line("th", head), *(_line("td", row) for row in rows)]
    return f'<table style="line-height:1.4;border-collapse:collapse">{"".join(lines)}</table>'


def _line(tag, cells):
    styles = [NUMBER if 2 <= i < len(cells) - 1 else "text-align:left" for i in range(len(cells))]
    inner = "".join(
        f'<{tag} style="padding:1px 14px 1px 0;{style}">{cell}</{tag}>'
        for cell, style in zip(cells, styles, strict=True)
    )
    return f"<tr>{inner}</tr>"
