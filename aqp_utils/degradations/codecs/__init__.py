"""Audio coded and decoded: real encoders, models of them, telephones, vocoders, lost packets."""
