"""Train tiny-solids, text to 3D in the form of Shap-E: `python -m tools.demo_models.train_solids FOLDER`.

First latent codes and a renderer are fitted to the solids, then a text encoder and a prior learn to go from a prompt to
a code. About a minute and a half on one thread. The codes are saved beside the renderer, for tiny-solids-from-image.
"""

import sys
from pathlib import Path
from random import Random

import torch
from diffusers import ShapEPipeline
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from .field import new_renderer
from .latent_codes import LatentCodes, fit
from .prior import CONDITION, WITHOUT_CONDITION, new_prior, new_scheduler, train_prior
from .solids import COLOURS, SOLIDS, UNCOLOURED
from .training import begin
from .words import LENGTH, tokenizer

STEPS, BATCH = 1200, 24
PHRASES = ("a {}", "the {}", "{}")
WITHOUT_COLOUR = 0.25  # share of the prompts


def train(folder: Path) -> None:
    """Train the model and save it as a diffusers folder."""
    rng = begin()
    renderer, codes = new_renderer(), LatentCodes()
    fit(codes, renderer)
    words = tokenizer(folder / "tokenizer", [*COLOURS, *SOLIDS])
    words.pad_token_id = 0
    text = _text_encoder(words)
    prior, scheduler = new_prior(), new_scheduler()
    train_prior(prior, text, scheduler, lambda: _batch(codes, words, text, rng), steps=STEPS)
    pipeline = ShapEPipeline(
        prior=prior.eval(),
        text_encoder=text.eval(),
        tokenizer=words,
        scheduler=scheduler,
        shap_e_renderer=renderer.eval(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    codes.save(folder / "shap_e_renderer")


def _batch(
    codes: LatentCodes, words: CLIPTokenizer, text: CLIPTextModelWithProjection, rng: Random
) -> tuple[Tensor, Tensor]:
    """Codes of random solids, and the prompts for them as the pipeline encodes them."""
    shapes, colours = torch.randint(len(SOLIDS), (BATCH,)), torch.randint(len(COLOURS), (BATCH,))
    sizes = torch.rand(BATCH) * 2 - 1
    prompts = []
    for row in range(BATCH):
        name = SOLIDS[shapes[row]]
        if rng.random() < WITHOUT_COLOUR:
            colours[row] = list(COLOURS).index(UNCOLOURED)
        else:
            name = f"{list(COLOURS)[colours[row]]} {name}"
        prompts.append(rng.choice(PHRASES).format(name))
    return codes(shapes, colours, sizes), _encode(prompts, words, text)


def _encode(prompts: list[str], words: CLIPTokenizer, text: CLIPTextModelWithProjection) -> Tensor:
    """The prompts' directions, all of one length, some of them struck out."""
    tokens = words(prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    directions = text(tokens.input_ids).text_embeds
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return directions * (torch.rand(len(prompts), 1) > WITHOUT_CONDITION) * CONDITION**0.5


def _text_encoder(words: CLIPTokenizer) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=CONDITION,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=CONDITION,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )


if __name__ == "__main__":
    train(Path(sys.argv[1]))
