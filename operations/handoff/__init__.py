"""What is deployed, what remains to be done and by whom: for you, for Astronomer and for your network team."""
