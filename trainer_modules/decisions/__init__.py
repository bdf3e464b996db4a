"""From scores to decisions: calibration, operating points, AUC."""
