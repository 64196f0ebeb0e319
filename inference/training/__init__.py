"""Training, evaluation and export of the network: the only importer of torch."""
