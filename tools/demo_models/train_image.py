"""Train tiny-shapes, text to image at 32 × 32 pixels: `python -m tools.demo_models.train_image FOLDER`.

First an autoencoder is fitted to drawn pictures, then a text encoder and a UNet learn to denoise its latents (velocity
prediction, one prompt in ten left empty for classifier-free guidance). About six minutes on one thread.
"""

import sys
from pathlib import Path
from random import Random

import torch
from attrs import frozen
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .shapes import COLOURS, PAIRS, SHAPES, paint, pixels, plain
from .training import Average, Descent, begin
from .words import LENGTH, tokenizer

SIZE = 32
PICTURES_A_PAIR = 160
AUTOENCODER_STEPS, AUTOENCODER_BATCH = 400, 24
DENOISER_STEPS, DENOISER_BATCH = 1000, 48
TEXT_WIDTH = 64
PHRASES = ("a {} {}", "{} {}", "a picture of a {} {}", "the {} {}")
EMPTY_PROMPTS = 0.1


@frozen
class Denoiser:
    """What is trained together in the second part."""

    words: CLIPTokenizer
    text: CLIPTextModel
    unet: UNet2DConditionModel

    def encode(self, prompts: list[str]) -> Tensor:
        """The prompts as (batch, tokens, width)."""
        tokens = self.words(prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        return self.text(tokens.input_ids).last_hidden_state


def train(folder: Path) -> None:
    """Train the model and save it as a diffusers folder."""
    rng = begin()
    words = tokenizer(folder / "tokenizer", [*COLOURS, *SHAPES])
    denoiser = Denoiser(words, _text_encoder(words), _unet())
    autoencoder = _autoencoder()
    names = PAIRS * PICTURES_A_PAIR
    pictures = torch.stack([pixels(paint(plain(colour, shape, rng), SIZE)) for colour, shape in names])
    latents = _fit_autoencoder(autoencoder, pictures)
    scheduler = _scheduler()
    _fit_denoiser(denoiser, scheduler, latents, names, rng)
    _save(folder, denoiser, autoencoder, scheduler)


def _fit_autoencoder(autoencoder: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Fit to the pictures, scale the latents to a deviation of 1, and return those of the pictures."""
    descent = Descent("autoencoder", autoencoder.parameters(), steps=AUTOENCODER_STEPS, peak=2e-3, rise=0.3)
    for _ in range(AUTOENCODER_STEPS):
        seen = pictures[torch.randint(len(pictures), (AUTOENCODER_BATCH,))]
        posterior = autoencoder.encode(seen).latent_dist
        latents = posterior.sample()
        drawn = autoencoder.decode(latents).sample
        strayed = 1e-4 * posterior.kl().mean() / latents[0].numel() * 16
        descent.step(functional.mse_loss(drawn, seen) + 0.5 * functional.l1_loss(drawn, seen) + strayed)
    autoencoder.eval().requires_grad_(False)
    with torch.no_grad():
        latents = torch.cat([autoencoder.encode(some).latent_dist.mode() for some in pictures.split(64)])
    factor = 1.0 / latents.std().item()
    autoencoder.register_to_config(scaling_factor=factor)
    return latents * factor


def _fit_denoiser(
    denoiser: Denoiser, scheduler: DDIMScheduler, latents: Tensor, names: tuple[tuple[str, str], ...], rng: Random
) -> None:
    """Learn to tell the velocity of latents that noise was added to, from the prompt."""
    weights = [*denoiser.unet.parameters(), *denoiser.text.parameters()]
    descent = Descent("denoiser", weights, steps=DENOISER_STEPS, peak=1.2e-3, rise=0.1, decay=1e-3)
    average = Average(weights)
    for step in range(DENOISER_STEPS):
        chosen = torch.randint(len(latents), (DENOISER_BATCH,))
        prompts = [_prompt(*names[i], rng) for i in chosen.tolist()]
        clean = latents[chosen]
        noise, times = torch.randn_like(clean), torch.randint(0, 1000, (DENOISER_BATCH,))
        noisy = scheduler.add_noise(clean, noise, times)
        velocity = scheduler.get_velocity(clean, noise, times)
        told_velocity = denoiser.unet(noisy, times, encoder_hidden_states=denoiser.encode(prompts)).sample
        descent.step(functional.mse_loss(told_velocity, velocity))
        average.take(step)
    average.settle()


def _prompt(colour: str, shape: str, rng: Random) -> str:
    return "" if rng.random() < EMPTY_PROMPTS else rng.choice(PHRASES).format(colour, shape)


def _save(folder: Path, denoiser: Denoiser, autoencoder: AutoencoderKL, scheduler: DDIMScheduler) -> None:
    """Save with halved weights.

    diffusers makes them float32 again when it loads, but transformers keeps what is stored, and a half text encoder
    does not fit the others: it stays whole.
    """
    pipeline = StableDiffusionPipeline(
        vae=autoencoder.half(),
        text_encoder=denoiser.text.eval(),
        tokenizer=denoiser.words,
        unet=denoiser.unet.eval().half(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def _text_encoder(words: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=TEXT_WIDTH,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=64,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.eos_token_id,
        )
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIZE // 4,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(48, 96),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 32, 48),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=SIZE,
        mid_block_add_attention=False,
    )


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,  # means nothing with trailing steps, but the pipeline wants it
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


if __name__ == "__main__":
    train(Path(sys.argv[1]))
