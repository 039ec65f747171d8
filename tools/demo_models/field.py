"""A small Shap-E renderer, and its field of distances and colours in a form that can be trained.

A latent code is WIDTH * 2 rows of DEPTH numbers. The renderer projects each row to one row of weights of a small
network that tells, for a point, the signed distance and the colour there.
"""

import torch
from diffusers.pipelines.shap_e import ShapERenderer
from diffusers.pipelines.shap_e.renderer import encode_position
from torch import Tensor
from torch.nn import functional

from .marching_cubes import tables

WIDTH = 48  # of the network
DEPTH = 8
ROWS = 2 * WIDTH
POSITION = 93  # x, y, z, then sine and cosine of each at 15 frequencies
LOW_FREQUENCIES = 4  # those that are used: the others make a rough surface
PROJECTED = ("nerstf.mlp.0.weight", "nerstf.mlp.1.weight")
DISTANCE, COLOUR = 0, slice(3, 6)  # of the network's twelve outputs


def new_renderer() -> ShapERenderer:
    """A renderer that a training can start from."""
    renderer = ShapERenderer(
        param_names=PROJECTED,
        param_shapes=((WIDTH, POSITION), (WIDTH, WIDTH)),
        d_latent=DEPTH,
        d_hidden=WIDTH,
        n_output=12,
        n_hidden_layers=3,
        insert_direction_at=None,
    )
    renderer.mesh_decoder.cases, renderer.mesh_decoder.masks = tables()
    scales = (frequency_weights() * 0.35, torch.full((WIDTH,), WIDTH**-0.5))
    with torch.no_grad():
        for projection, scale in zip(renderer.params_proj.projections.values(), scales, strict=True):
            projection.norm.weight.copy_(scale)
            projection.norm.bias.zero_()
            projection.proj.bias.normal_(0, 0.3).view(WIDTH, -1).mul_(scale)
    return renderer


def frequency_weights() -> Tensor:
    """How much each entry of an encoded position counts at first: halved with each octave, none from the fifth on."""
    octave = torch.arange(15).repeat_interleave(3).repeat(2)
    weights = torch.ones(POSITION)
    weights[3:] = (octave < LOW_FREQUENCIES).float() * 0.5 ** octave.float()
    return weights


@torch.no_grad()
def silence_high_frequencies(renderer: ShapERenderer) -> None:
    """Set what the network makes of the unused frequencies back to nothing."""
    unused = frequency_weights() == 0
    first = next(iter(renderer.params_proj.projections.values()))
    first.norm.weight[unused] = 0
    first.norm.bias[unused] = 0
    first.proj.bias.view(WIDTH, -1)[:, unused] = 0


def field(renderer: ShapERenderer, codes: Tensor, points: Tensor) -> Tensor:
    """The network's outputs (batch, n, 12) at points (batch, n, 3).

    The renderer's own network gives the same numbers, for one code at a time and without a gradient.
    """
    projected = renderer.params_proj(codes)
    values = encode_position(points)
    *hidden, last = renderer.mlp.mlp
    for number, layer in enumerate(hidden):
        name = f"nerstf.mlp.{number}.weight"
        if name in projected:
            values = torch.baddbmm(layer.bias.view(1, 1, -1), values, projected[name].transpose(1, 2))
        else:
            values = layer(values)
        values = functional.silu(values)
    return last(values)


@torch.no_grad()
def let_previews_see(renderer: ShapERenderer) -> None:
    """Make the outputs that pictures are rendered from out of those that meshes are made of.

    Densities (coarse and fine) are steep multiples of the distance; their colours are the mesh's.
    """
    last = renderer.mlp.mlp[-1]
    for density in (1, 2):
        last.weight[density] = 25.0 * last.weight[DISTANCE]
        last.bias[density] = 25.0 * last.bias[DISTANCE]
    for colour in (slice(6, 9), slice(9, 12)):
        last.weight[colour] = last.weight[COLOUR]
        last.bias[colour] = last.bias[COLOUR]
