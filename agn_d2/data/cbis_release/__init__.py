"""CBIS-DDSM as TCIA releases it: DICOM files and four CSVs, brought into the canonical form."""
