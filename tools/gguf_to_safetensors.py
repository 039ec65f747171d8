"""Make a folder of safetensors from a GGUF file: `python -m tools.gguf_to_safetensors model.gguf folder`.

The tests of the transformers engine need such a folder, and the demo model comes as GGUF only. Weights become bfloat16
(transformers takes the quantization off; nothing is gained in accuracy). It takes about 20 s for the demo model; the
folder gets its name when it is whole, and whoever comes second in a race throws his away.
"""

import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def convert(source: Path, folder: Path) -> None:
    """Make `folder` out of the GGUF file, if it is not there yet."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as space:
        unfinished = Path(space) / folder.name
        save(source, unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def save(source: Path, folder: Path) -> None:
    """Write model and tokenizer of the GGUF file."""
    gguf = {"gguf_file": source.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.bfloat16, **gguf)
    model.hf_quantizer = None
    del model.config.quantization_config  # it speaks of the file, not of what is saved here
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, **gguf).save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
