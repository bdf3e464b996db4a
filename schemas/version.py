"""The version of this software; that of pyproject.toml, which only a package has installed."""

VERSION = "0.1.0"
