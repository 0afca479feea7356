"""What a predictor is worth: metrics, intervals, baselines, experiments, agreement with labels."""
