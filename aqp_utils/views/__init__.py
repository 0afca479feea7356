"""What is looked at and listened to: figures, players, explorers, the report."""
