"""What the predictor is compared with: simpler ways to tell materials, each a `believed.Believer`."""
