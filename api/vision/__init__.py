"""Seeing: pictures are decoded, products on them found and turned into vectors. Looking those up is api.search."""
