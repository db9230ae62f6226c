"""The estate file: parsing, validation and error messages."""
