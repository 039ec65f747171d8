"""Meshes of latent codes."""

import numpy as np
import torch
import trimesh
from diffusers.pipelines.shap_e import ShapERenderer
from torch import Tensor


def mesh(renderer: ShapERenderer, code: Tensor, *, grid: int) -> trimesh.Trimesh:
    """The surface of a code (1, 96, 8) on a grid of so many points an axis, z up, with sRGB colours at its vertices.

    It has no faces if the code is of nothing.
    """
    decoded = renderer.decode_to_mesh(code, "cpu", grid_size=grid)
    linear = torch.stack([decoded.vertex_channels[channel] for channel in "RGB"], -1).clamp(0, 1).numpy()
    opaque = np.full((len(linear), 1), 255)
    colours = np.concatenate([(srgb(linear) * 255).round(), opaque], 1).astype(np.uint8)
    return trimesh.Trimesh(decoded.verts.numpy(), decoded.faces.numpy(), vertex_colors=colours, process=False)


def srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light in 0 … 1 as sRGB."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
