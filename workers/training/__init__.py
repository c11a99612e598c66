"""Training, export and judging of the two models that `api.vision` serves.

The one place where PyTorch and Ultralytics are imported; the serving path runs without them.
"""
