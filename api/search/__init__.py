"""Finding products by how they look: the product index, the search calls and what goes with what."""
