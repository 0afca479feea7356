"""Audio to 19 numbers that a textbook explains, psychoacoustic or classic."""
