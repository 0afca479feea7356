"""What is typed: one module a command, the series as a batch, and one notebook executed."""
