"""From a checkpoint to a model folder that the node can serve."""
