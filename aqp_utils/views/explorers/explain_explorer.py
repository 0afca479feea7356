"""Why this score? The explanation of any clip of a run, chosen from a list."""

import html
from pathlib import Path

import ipywidgets

from aqp_utils.core.audio import read_clip
from aqp_utils.core.text import number
from aqp_utils.evaluation.attribution import explain
from aqp_utils.views.explorers.live_picture import figure_html
from aqp_utils.views.explorers.sliders import dropdown
from aqp_utils.views.players import player_table
from aqp_utils.views.plots.explanation import explanation


def explain_explorer(predictor, folder_degraded, table):
    """Choose a clip, the largest error first; see which moments and which inputs move its score.

    Parameters
    ----------
    predictor : Predictor
    folder_degraded : path
        Folder of stage 02.
    table : DataFrame
        predictions.csv; with a column `part` only its test clips.

    Returns
    -------
    ipywidgets.VBox
    """
    return _ExplainExplorer(predictor, Path(folder_degraded), table).widget


class _ExplainExplorer:
    """List, player and picture of `explain_explorer`."""

    def __init__(self, predictor, folder, table):
        self._predictor, self._folder = predictor, folder
        if "part" in table:
            table = table[table["part"] == "test"]
        order = (table["predicted_score"] - table["score"]).abs().sort_values(ascending=False).index
        self._rows = {_label(row): row for row in table.loc[order].itertuples()}
        self._clip = dropdown("clip", list(self._rows), next(iter(self._rows)))
        self._clip.layout.width = "420px"
        self._player, self._picture = ipywidgets.HTML(), ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self._clip, self._player, self._picture])
        self._clip.observe(self._on_choice, "value")
        self._on_choice(None)

    def _on_choice(self, _):
        label = self._clip.value
        audio = read_clip(self._folder / self._rows[label].file)
        self._player.value = player_table({label: audio}).data
        self._picture.value = '<p role="status">Scoring the clip without each of its parts …</p>'
        try:
            figure = explanation(explain(self._predictor, audio), audio)
        except ValueError as error:
            self._picture.value = f'<p role="status">{html.escape(str(error))}</p>'
            return
        description = f"Influence of moments and of inputs on the score of {label}."
        self._picture.value = figure_html(figure, description)


def _label(row):
    """Clip, true → predicted score."""
    return f"{row.clip}: {number(row.score)} → {number(row.predicted_score)}"
