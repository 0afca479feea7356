"""What everything stands on: audio, randomness, files, the scale of quality, text."""
