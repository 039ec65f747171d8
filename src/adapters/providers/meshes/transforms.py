"""Where a glTF node puts what it has: 4 × 4 matrices, column by column, as glTF writes them."""

from collections.abc import Sequence
from itertools import product
from typing import Final

Matrix = tuple[float, ...]
Box = tuple[tuple[float, ...], tuple[float, ...]]
"""The lowest and the highest corner."""

IDENTITY: Final[Matrix] = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)


def from_parts(translation: Sequence[float], rotation: Sequence[float], scale: Sequence[float]) -> Matrix:
    """Scaled first, then turned by a unit quaternion (x, y, z, w), then moved."""
    x, y, z, w = rotation
    columns = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)),
        (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)),
        (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)),
    )
    turned = [number * factor for column, factor in zip(columns, scale, strict=True) for number in (*column, 0)]
    return (*turned, *translation, 1)


def times(outer: Matrix, inner: Matrix) -> Matrix:
    """First the inner, then the outer."""
    return tuple(
        sum(outer[4 * step + row] * inner[4 * column + step] for step in range(4))
        for column in range(4)
        for row in range(4)
    )


def moved(box: Box, matrix: Matrix) -> Box:
    """The box around a box that was moved."""
    corners = [
        tuple(matrix[row] * x + matrix[4 + row] * y + matrix[8 + row] * z + matrix[12 + row] for row in range(3))
        for x, y, z in product(*zip(*box, strict=True))
    ]
    return around([(corner, corner) for corner in corners])


def around(boxes: Sequence[Box]) -> Box:
    """The box around all of these."""
    low = tuple(min(axis) for axis in zip(*(box[0] for box in boxes), strict=True))
    high = tuple(max(axis) for axis in zip(*(box[1] for box in boxes), strict=True))
    return low, high
