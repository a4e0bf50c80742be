"""In what a robot differs from its nominal model, from its logs."""
