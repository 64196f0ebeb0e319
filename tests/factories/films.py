"""Films of any size with opacities of any place, for property-based tests."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def films(draw):
    """(rows, columns, opacities) of an upright film of any size."""
    rows = draw(st.integers(24, 130))
    columns = draw(st.integers(24, 130))
    opacities = []
    for _ in range(draw(st.integers(1, 14))):
        mask = np.zeros((rows, columns), dtype=np.bool_)
        top, left = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
        height, width = draw(st.integers(1, rows)), draw(st.integers(1, columns))
        mask[top : top + height, left : left + width] = True
        opacities.append(mask)
    return rows, columns, opacities
