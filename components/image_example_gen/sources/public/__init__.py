"""Public data sets, read as downloaded. Imports what the other sources do."""
