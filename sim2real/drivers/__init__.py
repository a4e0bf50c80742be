"""Drivers: what connects the runtime to a robot or to its twin."""
