"""The HTTP interface for people and orchestrators: jobs, instances, health."""
