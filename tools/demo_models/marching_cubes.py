"""The lookup tables of marching cubes, as a Shap-E renderer wants them.

They come with a Shap-E checkpoint, so that a renderer that was made afresh has zeros there and gives no triangles.
Corners are numbered x + 2y + 4z, edges as in diffusers' `_create_flat_edge_indices`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

EDGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7))
FACES = (
    (0, 2, 3, 1),
    (4, 5, 7, 6),
    (0, 1, 5, 4),
    (2, 6, 7, 3),
    (0, 4, 6, 2),
    (1, 3, 7, 5),
)  # against the clock, from outside
MOST_TRIANGLES = 5

Triangle = tuple[int, int, int]


def tables() -> tuple[Tensor, Tensor]:
    """The triangles of each of the 256 cases as three edges (256, 5, 3), and which of them there are (256, 5)."""
    cases = torch.zeros(256, MOST_TRIANGLES, 3, dtype=torch.long)
    present = torch.zeros(256, MOST_TRIANGLES, dtype=torch.bool)
    for case in range(256):
        triangles = _triangles(case)
        cases[case, : len(triangles)] = torch.tensor(triangles, dtype=torch.long).reshape(-1, 3)
        present[case, : len(triangles)] = True
    return cases, present


def _triangles(case: int) -> list[Triangle]:
    """The surface between the corners that are inside (bits of `case`) and the others."""
    inside = [bool(case >> corner & 1) for corner in range(8)]
    return [triangle for loop in _loops(_cuts(inside)) for triangle in _fan(loop)]


def _cuts(inside: list[bool]) -> dict[int, int]:
    """The line over each face from the edge where its border enters the solid to the next one where it leaves.

    Two opposite corners inside could be parted or joined: here they are always parted. The cubes on both sides of a
    face therefore cut it alike, and no hole opens.
    """
    numbers = {frozenset(edge): number for number, edge in enumerate(EDGES)}
    cuts = {}
    for face in FACES:
        border = [(face[i], face[(i + 1) % 4]) for i in range(4)]
        entering = [i for i, (a, b) in enumerate(border) if not inside[a] and inside[b]]
        leaving = {i for i, (a, b) in enumerate(border) if inside[a] and not inside[b]}
        for i in entering:
            out = next(j % 4 for j in range(i + 1, i + 4) if j % 4 in leaving)
            cuts[numbers[frozenset(border[i])]] = numbers[frozenset(border[out])]
    return cuts


def _loops(cuts: dict[int, int]) -> Iterator[list[int]]:
    """Join the cuts end to end."""
    cuts = dict(cuts)
    while cuts:
        edge = min(cuts)
        loop = []
        while edge in cuts:
            loop.append(edge)
            edge = cuts.pop(edge)
        yield loop


def _fan(loop: list[int]) -> list[Triangle]:
    return [(loop[0], loop[i], loop[i + 1]) for i in range(1, len(loop) - 1)]
