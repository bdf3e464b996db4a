"""Files to pixels: image formats, DICOM, slides and their outlines. Imports no source or table."""
