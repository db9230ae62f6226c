"""The commands, one file each, with their options and exit codes. `app.py` finds them, and `errors.py` handles all
errors."""
