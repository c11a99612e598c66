"""What `shoplight evaluate` measures and how it shows it. Sees as the service does: through `api.vision`."""
