"""The configuration: one TOML file, secret files, the environment."""
