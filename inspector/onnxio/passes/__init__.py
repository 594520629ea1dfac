"""Rewrites of a model that keep its float outputs."""
