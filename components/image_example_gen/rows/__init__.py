"""What a source yields (rows) and where it goes (splits, units of work). Opens no file."""
