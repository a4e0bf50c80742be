"""The runtime: what runs an exported policy on a robot, guarded, timed and logged."""
