"""The demo models that come with the package: they load without a network and do what their cards say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pluggably.adapters.catalog

SHIPPED = Path(pluggably.adapters.catalog.__file__).parent / "shipped"
ROOT = Path(__file__).resolve().parents[3]
NAMES = ("tiny-shapes", "tiny-solids", "tiny-solids-from-image")
RENDERER = "shap_e_renderer/diffusion_pytorch_model.safetensors"


def ask(model: str, prompts: list[str]) -> list[dict]:
    command = [sys.executable, "-m", "tests.integration.models.asked", model, *prompts]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    asked = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def test_tiny_shapes_draws_what_it_is_told():
    wanted = ["red circle", "green square", "blue triangle", "yellow circle", "red square", "green triangle"]

    shown = ask("tiny-shapes", [f"a {name}" for name in wanted])

    assert [answer["shows"] for answer in shown] == wanted


def test_tiny_solids_makes_closed_solids_of_what_it_is_told():
    wanted = ["red sphere", "green cube", "blue cone", "yellow cylinder", "white torus"]

    shown = ask("tiny-solids", [f"a {name}" for name in wanted])

    assert [answer["shows"] for answer in shown] == wanted
    assert all(answer["closed"] for answer in shown)


def test_a_picture_that_tiny_shapes_drew_becomes_the_solid_that_goes_with_it():
    shown = ask("tiny-solids-from-image", ["a red circle", "a green square", "a blue triangle", "a yellow circle"])

    assert [answer["shows"] for answer in shown] == ["red sphere", "green cube", "blue cone", "yellow sphere"]
    assert all(answer["closed"] for answer in shown)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_states_the_licence_and_what_was_measured(name):
    card = (SHIPPED / name / "README.md").read_text()

    assert card.startswith("---\nlicense: apache-2.0\n")
    assert re.search(r"\| \d+/\d+ \(\d+\.\d %\) \|", card)
    assert "## What it cannot do" in card


def test_nothing_is_shipped_that_could_run_code_when_it_is_read():
    kinds = {path.suffix for path in SHIPPED.rglob("*") if path.is_file()}

    assert kinds == {".safetensors", ".json", ".txt", ".md"}


def test_the_models_stay_small_enough_to_come_with_the_package():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 10_000_000


def test_solids_from_text_and_from_pictures_are_rendered_by_the_same_weights():
    from_text, from_image = (SHIPPED / name / RENDERER for name in ("tiny-solids", "tiny-solids-from-image"))

    assert from_text.read_bytes() == from_image.read_bytes()
