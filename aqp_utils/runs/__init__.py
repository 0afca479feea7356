"""One run, one folder: parameters, stages and manifests, locks, checkpoints, the code behind it."""
