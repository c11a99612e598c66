"""Training on a user's own pictures: what their folders and lists say, and the loop that learns from them.

Owns nothing of the shipped models' recipe; `recipe` builds those from the photographs beside the checkout.
"""
