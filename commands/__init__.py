"""The commands that look at a deployed estate. main.py has the others, and the one place for errors."""
