"""The film of DDSM that two patients of CBIS-DDSM share, on both sides of train and test.

In DDSM the right MLO of case C_0388 (P_00869, train) is that of C_0386 (P_00173, test), one and the
same picture. CBIS-DDSM itself has it once: it took no right film of P_00869. It comes in with views
that are borrowed from DDSM.
"""

from __future__ import annotations

Place = tuple[str, str, str]  # patient, laterality, view

# The copy in train -> the same film in test.
SHARED_FILMS: dict[Place, Place] = {("P_00869", "R", "MLO"): ("P_00173", "R", "MLO")}
