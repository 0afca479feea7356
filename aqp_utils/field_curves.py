"""Measured curves from amount to severity."""

CURVES = {}
