"""What recordings meet now and then: of no family, drawn one kind like another."""
