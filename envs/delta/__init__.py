"""A correction that was learned from logs: its form, its files, and simulated robots that move by it."""
