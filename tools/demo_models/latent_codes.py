"""The latent codes of the solids, fitted together with the renderer that decodes them.

Nothing encodes a solid here: a code is the sum of what is learnt for its shape, for its colour and for its size.
"""

from pathlib import Path

import torch
from diffusers.pipelines.shap_e import ShapERenderer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from .field import COLOUR, DEPTH, DISTANCE, ROWS, field, let_previews_see, silence_high_frequencies
from .solids import COLOURS, SOLIDS, depth, scale
from .training import Descent

FILE = "latent_codes.safetensors"
STEPS, BATCH, POINTS = 2500, 10, 768


class LatentCodes(nn.Module):
    """A code (96, 8) in -1 … 1 for each solid, colour and size."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = nn.Parameter(torch.randn(len(SOLIDS), ROWS, DEPTH) * 0.5)
        self.colour = nn.Parameter(torch.randn(len(COLOURS), ROWS, DEPTH) * 0.3)
        self.size = nn.Parameter(torch.randn(len(SOLIDS), ROWS, DEPTH) * 0.1)

    def forward(self, shapes: Tensor, colours: Tensor, sizes: Tensor) -> Tensor:
        """The codes of a batch: numbers of `SOLIDS` and of `COLOURS`, and sizes in -1 … 1."""
        return torch.tanh(self.shape[shapes] + self.colour[colours] + self.size[shapes] * sizes[:, None, None])

    def save(self, folder: Path) -> None:
        """Keep the codes with the renderer that decodes them."""
        save_file(self.state_dict(), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "LatentCodes":
        """The codes of a folder, not to be trained any more."""
        codes = cls()
        codes.load_state_dict(load_file(folder / FILE))
        return codes.requires_grad_(False)


def fit(codes: LatentCodes, renderer: ShapERenderer) -> None:
    """Fit codes and renderer to the distances and colours of the solids."""
    weights = [*codes.parameters(), *renderer.params_proj.parameters(), *renderer.mlp.parameters()]
    descent = Descent("codes and renderer", weights, steps=STEPS, peak=4e-3, rise=0.1)
    paint = torch.tensor(list(COLOURS.values()))
    shapes = torch.arange(BATCH) % len(SOLIDS)
    for _ in range(STEPS):
        colours, sizes = torch.randint(len(COLOURS), (BATCH,)), torch.rand(BATCH) * 2 - 1
        points, depths = _samples(shapes, sizes)
        values = field(renderer, codes(shapes, colours, sizes), points)
        wrong_depth = functional.l1_loss(torch.tanh(values[..., DISTANCE]), torch.tanh(4 * depths))
        on_surface = torch.exp(-8 * depths.abs())[..., None]
        wrong_colour = (on_surface * (torch.sigmoid(values[..., COLOUR]) - paint[colours][:, None]) ** 2).mean()
        descent.step(wrong_depth + 2 * wrong_colour)
        silence_high_frequencies(renderer)
    let_previews_see(renderer)
    codes.requires_grad_(False)


def _samples(shapes: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Points (batch, n, 3) and their depths (batch, n): half of them anywhere, half of them near the surface."""
    points = torch.rand(BATCH, POINTS * 4, 3) * 2 - 1
    solids = zip(shapes.tolist(), points, scale(sizes).tolist(), strict=True)
    depths = torch.stack([depth(SOLIDS[shape], some, size) for shape, some, size in solids])
    near = depths.abs().topk(POINTS // 2, dim=1, largest=False).indices
    anywhere = torch.arange(POINTS // 2).expand(BATCH, -1)
    chosen = torch.cat([near, anywhere], 1)
    return points.gather(1, chosen[..., None].expand(-1, -1, 3)), depths.gather(1, chosen)
