"""The diffusion prior that goes from a condition (a prompt, a picture) to a latent code, and how it is trained."""

from collections.abc import Callable

import torch
from diffusers import HeunDiscreteScheduler, PriorTransformer
from torch import Tensor, nn
from torch.nn import functional

from .field import DEPTH, ROWS
from .training import Descent

CONDITION = 64  # width of a condition
TIMES = 1024
WITHOUT_CONDITION = 0.1  # share of the batch, for classifier-free guidance


def new_prior() -> PriorTransformer:
    """A prior that a training can start from."""
    prior = PriorTransformer(
        num_attention_heads=4,
        attention_head_dim=16,
        embedding_dim=DEPTH,
        num_embeddings=ROWS,
        embedding_proj_dim=CONDITION,
        time_embed_dim=128,
        num_layers=2,
        clip_embed_dim=2 * DEPTH,  # the pipeline throws the second half away
        additional_embeddings=0,
        time_embed_act_fn="gelu",
        norm_in_type="layer",
        encoder_hid_proj_type=None,
        added_emb_type=None,
    )
    nn.init.normal_(prior.positional_embedding, 0, 0.5)
    return prior


def new_scheduler() -> HeunDiscreteScheduler:
    """The noise that the prior is trained under."""
    return HeunDiscreteScheduler(
        beta_schedule="exp",
        num_train_timesteps=TIMES,
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )


def train_prior(
    prior: PriorTransformer,
    encoder: nn.Module,
    scheduler: HeunDiscreteScheduler,
    batch: Callable[[], tuple[Tensor, Tensor]],
    *,
    steps: int,
) -> None:
    """Learn to tell a code from its noisy form and its condition, together with the condition's encoder.

    `batch` gives codes (n, 96, 8) and conditions of n rows.
    """
    weights = [*encoder.parameters(), *prior.parameters()]
    descent = Descent("prior", weights, steps=steps, peak=2e-3, rise=0.1, decay=1e-3)
    for _ in range(steps):
        codes, conditions = batch()
        times = torch.randint(0, TIMES, (len(codes),))
        kept = scheduler.alphas_cumprod[times].view(-1, 1, 1)
        noisy = kept.sqrt() * codes + (1 - kept).sqrt() * torch.randn_like(codes)
        guess = prior(noisy, timestep=times, proj_embedding=conditions).predicted_image_embedding[..., :DEPTH]
        descent.step(functional.mse_loss(guess, codes))
