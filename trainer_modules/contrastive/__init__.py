"""SimCLR's loss and projection head."""
