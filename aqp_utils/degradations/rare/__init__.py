"""What recordings meet now and then: drawn one kind like another, and not with its family."""
