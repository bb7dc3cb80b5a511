"""What others serve the same page with."""
