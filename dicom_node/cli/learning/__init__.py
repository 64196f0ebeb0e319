"""Commands of those who train models: run, measure, export, compare."""
