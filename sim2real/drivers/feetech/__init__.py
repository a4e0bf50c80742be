"""Feetech's STS servos on their half-duplex serial bus: their registers, the bus, and LeRobot's calibration of an arm of them."""
