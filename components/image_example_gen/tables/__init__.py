"""Reads tables into rows: columns, labels, joins, demographics. Imports no source."""
