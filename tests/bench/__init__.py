"""Benchmarks: each measures us and a peer (or a limit) in the same run, so that its ratio holds on any machine."""
