"""The label-efficiency study's curves with intervals, its headline figures and its page."""
