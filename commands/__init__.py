"""The commands that inspect a deployed estate. main.py contains the other commands and handles all errors."""
