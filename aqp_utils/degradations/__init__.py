"""What happens to audio: the five kinds of the study, and the catalogue of the field."""
