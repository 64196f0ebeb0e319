"""From a claimed Workitem to settled results."""
