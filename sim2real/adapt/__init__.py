"""Policies adapted to what was measured of a robot, beside a control that was not told of it."""
