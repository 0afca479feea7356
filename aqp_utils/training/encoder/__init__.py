"""Pretraining of the Wav2Vec2 that ships, from synthesis alone."""
