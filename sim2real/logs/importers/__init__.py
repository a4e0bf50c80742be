"""Recordings of other formats as logs: a file here for each format."""
