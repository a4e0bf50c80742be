"""A robot simulated in a process of its own, which speaks a real robot's protocol."""
