"""Monitoring of a released model: new predictions against its verdict. Imports the gate's rules."""
