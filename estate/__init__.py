"""The estate file: read, validated and explained."""
