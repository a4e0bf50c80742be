"""Terms that tasks are made of: plain functions of one environment."""
