"""Writes small GGUF files, after https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

from struct import pack

TYPES = {"u16": (2, "<H"), "u32": (4, "<I"), "f32": (6, "<f"), "bool": (7, "<?"), "u64": (10, "<Q")}
LLAMA = {
    "general.architecture": "llama",
    "general.type": "model",
    "general.license": "apache-2.0",
    "general.file_type": ("u32", 3),
    "llama.context_length": ("u32", 2048),
    "tokenizer.ggml.tokens": ["<s>", "</s>", "hello"],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = (("token_embd.weight", (64, 3), 3, 120), ("output_norm.weight", (64,), 0, 256))
"""Name, shape, ggml type, bytes."""


def a_gguf(tensors=TENSORS, *, version=3, alignment=None, without=(), **facts) -> bytes:
    """A whole file; `facts` change or add keys, with `__` for the dot."""
    values = LLAMA | {key.replace("__", "."): value for key, value in facts.items()}
    if alignment:
        values["general.alignment"] = ("u32", alignment)
    kept = {key: value for key, value in values.items() if key not in without}
    head = b"GGUF" + pack("<IQQ", version, len(tensors), len(kept))
    head += b"".join(_string(key) + _value(value) for key, value in kept.items())
    step = alignment or 32
    offset, infos, data = 0, b"", b""
    for name, shape, kind, size in tensors:
        infos += _string(name) + pack("<I", len(shape)) + pack(f"<{len(shape)}Q", *shape) + pack("<IQ", kind, offset)
        data += bytes(size) + bytes(-size % step)
        offset = len(data)
    head += infos
    last = tensors[-1][3] if tensors else 0
    return head + (bytes(-len(head) % step) + data[: len(data) - (-last % step)] if tensors else b"")


def _string(text: str) -> bytes:
    return pack("<Q", len(text.encode())) + text.encode()


def _value(value) -> bytes:
    match value:
        case str():
            return pack("<I", 8) + _string(value)
        case list():
            return pack("<I", 9) + _array(value)
        case (kind, number):
            return pack("<I", TYPES[kind][0]) + pack(TYPES[kind][1], number)
    raise TypeError(value)


def _array(values: list) -> bytes:
    if values and isinstance(values[0], list):
        return pack("<IQ", 9, len(values)) + b"".join(map(_array, values))
    if values and isinstance(values[0], int):
        return pack("<IQ", 4, len(values)) + b"".join(pack("<I", it) for it in values)
    return pack("<IQ", 8, len(values)) + b"".join(map(_string, values))
