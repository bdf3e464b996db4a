"""One cell of the study: a first encoder, a fraction of the labels, a seed. Imports trainer_modules."""
