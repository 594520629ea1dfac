"""Reports made from one frozen value."""
