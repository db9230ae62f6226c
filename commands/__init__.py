"""The commands, one file each, with their options and exit codes. main.py registers them and handles all errors."""
