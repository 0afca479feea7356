"""Time stretched and back again, and clocks that run at another rate."""
