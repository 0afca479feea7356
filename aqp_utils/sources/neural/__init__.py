"""Neural text-to-speech with weights inside packages: an optional tool of training."""
