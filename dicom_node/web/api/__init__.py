"""The HTTP interface for programs: jobs, instances, health, as JSON."""
