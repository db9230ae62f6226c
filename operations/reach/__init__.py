"""Finds the first hop that blocks a cluster's traffic to an address, from live data."""
