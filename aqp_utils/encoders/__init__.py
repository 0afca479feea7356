"""Audio to a vector: Wav2Vec2 in its sizes, where its weights are, and the learned spectrogram."""
