"""The model as the program sees it: frozen values, numpy only."""
