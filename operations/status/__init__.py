"""The live state of every step: its state, the next actor, and the next command or request."""
