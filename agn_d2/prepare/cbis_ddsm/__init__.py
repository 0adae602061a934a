"""CBIS-DDSM: the release of TCIA as DICOM files, and a release of 800 px."""
