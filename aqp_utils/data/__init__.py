"""The clips of a study: made, labelled, split, checked, and turned into numbers."""
