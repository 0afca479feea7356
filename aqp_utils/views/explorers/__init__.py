"""Explorers for notebooks and the page: choose or make a sound, change it, see and hear it."""

from aqp_utils.views.explorers.clip_explorer import clip_explorer
from aqp_utils.views.explorers.degradation_lab import degradation_lab
from aqp_utils.views.explorers.explain_explorer import explain_explorer
from aqp_utils.views.explorers.tone_lab import tone_lab
from aqp_utils.views.explorers.your_audio import your_audio

__all__ = ["clip_explorer", "degradation_lab", "explain_explorer", "tone_lab", "your_audio"]
