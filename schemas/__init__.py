"""The data contract: curated schemas, feature names, errors. Imports nothing of ours."""
