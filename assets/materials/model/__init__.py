"""The predictor: its network, training, calibration and files."""
