"""The gate as a tool: tables and models of any origin. Imports the rules and the serving check."""
