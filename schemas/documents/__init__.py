"""The JSON files that one component writes and another reads, each typed once.

Imports pydantic and the rest of `schemas`, nothing else of ours.
"""
