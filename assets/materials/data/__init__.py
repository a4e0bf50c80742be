"""Objects made by rule, with known materials: what the predictor is trained and tested on."""
