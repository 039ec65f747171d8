"""Asks a shipped demo model and prints what can be recognised in its answers, as a JSON list.

python -m tests.integration.models.asked tiny-shapes "a red circle" "a blue square"
"""

import json
import sys

import torch

from tools.demo_models import recognise_shape, recognise_solid, tiny_shapes, tiny_solids
from tools.demo_models.folders import SHIPPED


def shapes(prompts):
    return tiny_shapes.draw(tiny_shapes.load(SHIPPED / "tiny-shapes"), prompts, range(len(prompts)))


def solids(folder, wishes):
    pipeline = tiny_solids.load(SHIPPED / folder)
    codes = [tiny_solids.code(pipeline, wish, seed) for seed, wish in enumerate(wishes)]
    return [recognise_solid.recognise(pipeline.shap_e_renderer, code, recognise_solid.ANY_SIZE) for code in codes]


def main(model, *prompts):
    torch.set_num_threads(1)
    match model:
        case "tiny-shapes":
            answers = [recognise_shape.recognise(picture) for picture in shapes(list(prompts))]
        case "tiny-solids":
            answers = solids(model, prompts)
        case "tiny-solids-from-image":  # prompts of the pictures that it is given
            answers = solids(model, shapes(list(prompts)))
    print(json.dumps([{"shows": str(answer), "closed": getattr(answer, "watertight", None)} for answer in answers]))


if __name__ == "__main__":
    main(*sys.argv[1:])
