"""One cell of the label-efficiency study: a first encoder, a share of the labels, a seed."""
