"""Two models side by side: their graphs, what stands for what, and how far they are apart."""
