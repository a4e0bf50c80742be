"""Recordings of robots: what they hold, how they are stored, and what spoils them."""
