"""How fast it is, measured beside PyTorch: `python -m benchmarks` runs all, `python -m benchmarks.NAME` one."""
