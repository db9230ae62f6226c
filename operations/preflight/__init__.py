"""Checks before a plan whether the deploy can succeed."""
