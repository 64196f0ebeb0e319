"""From a claimed Workitem to delivered results, and nothing else."""
