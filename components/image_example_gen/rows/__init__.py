"""What a source gives (rows) and where it goes (splits, units of work). Opens no file."""
