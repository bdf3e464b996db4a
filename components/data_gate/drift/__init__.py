"""How far apart the domains are: distances, feature drift, shortcuts. Imports no executor."""
