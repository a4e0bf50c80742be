"""What calibration leaves of the gap, learned from logs as a correction of the action."""
