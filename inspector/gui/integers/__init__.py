"""The tab that shows what the chosen layer does in integers."""
