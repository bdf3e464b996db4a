"""Tables to rows: columns, labels, joins, demographics. Imports no source."""
