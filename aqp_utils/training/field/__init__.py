"""Clips, labels and training of the predictor for recordings that ships."""
