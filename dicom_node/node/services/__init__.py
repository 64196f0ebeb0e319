"""The parts of the node that run, each behind ``node.service.Service``."""
