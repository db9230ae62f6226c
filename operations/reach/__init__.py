"""Finds the first hop that blocks a cluster on its way to an address, from live data."""
