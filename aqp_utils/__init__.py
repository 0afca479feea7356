"""Helpers behind the aqp notebooks: no-reference audio quality prediction taught by synthesis."""

__version__ = "0.1.0"
