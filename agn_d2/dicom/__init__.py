"""Reading DICOM mammograms: what they show, and gray values as they are to be seen."""
