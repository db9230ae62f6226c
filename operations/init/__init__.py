"""Writes a first estate file from data in AWS and Astro's API."""
