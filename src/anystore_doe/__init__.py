"""Run a design of experiments where the data already is."""
