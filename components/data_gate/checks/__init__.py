"""What is looked for in the data, and what follows from it. Imports schemas and task settings."""
