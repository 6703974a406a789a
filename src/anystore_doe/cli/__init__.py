"""The commands, one file each. ``main.py`` knows their names; ``boundary.py`` turns errors into words."""
