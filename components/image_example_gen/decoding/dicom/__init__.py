"""DICOM files to pictures: tags, lookup tables, layout, samples, plugins. No other format."""
