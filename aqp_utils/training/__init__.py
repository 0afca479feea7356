"""How what ships was made; nobody who runs the series or scores recordings needs it."""
