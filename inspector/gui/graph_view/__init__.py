"""The picture of the graph: what is on the cards, where they are, and the view that paints them."""
