"""Writes a first estate file from what AWS and Astro's API show."""
