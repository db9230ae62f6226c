"""The live state of the handshake: what each step is, who acts next, and what moves it on."""
