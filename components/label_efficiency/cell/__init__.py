"""One cell of the study: a first encoder, a fraction of the labels, a seed."""
