"""Feetech's STS servos on their serial bus: their registers, the bus, and LeRobot's calibration of an arm of them."""
