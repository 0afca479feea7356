"""Recordings of users: found, read with care, and tables of labels about them."""
