"""Thresholds chosen on other patients, values at a given prevalence, and net benefit.

Imports `components.statistics` and `trainer_modules`; knows no TFX, no files.
"""
