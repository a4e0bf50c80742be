"""Motions worth recording, within a robot's limits: made by `design`, kept as CSV files, played by `zerogap deploy`."""
