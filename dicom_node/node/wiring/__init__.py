"""Settings -> the parts of a node, one module per neighbourhood, and nowhere else."""
