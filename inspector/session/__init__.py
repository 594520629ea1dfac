"""What the user has decided."""
