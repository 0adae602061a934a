"""A small download of CBIS-DDSM made of phantom films, with known faults."""
