"""The stand-alone gate for tables and models of any origin. Imports rules and serving."""
