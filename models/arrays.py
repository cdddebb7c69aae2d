"""Types of arrays, named once.

Input: nothing. Output: `Floats` and `Integers`, of any shape.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
