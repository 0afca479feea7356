"""The report of a run, and the page about agreement with labelled recordings."""
