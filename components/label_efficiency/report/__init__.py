"""The study's curves with intervals, its headlines and its page. Imports the cell."""
