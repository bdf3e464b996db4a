"""How many labels a model needs: the study's cells and its report."""
