"""Where sound comes from: tones, voices, singing, instruments, percussion, text-to-speech."""
