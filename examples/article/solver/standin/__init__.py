"""Two small physical models that stand in for CONVERGE CFD, which is commercial and not part of this project."""
