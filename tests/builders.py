"""Short ways to say what a test is about; everything not named is ordinary."""

from pathlib import Path

from pluggably.domain.generation import GenerationRequest, InputFile, Message, Role, text_message
from pluggably.domain.model import Modality, Model
from pluggably.domain.parameters import TEXT_PARAMETERS, ImageParameters, Model3DParameters, TextParameters


def a_model(name: str = "tiny", **facts) -> Model:
    ordinary = {
        "id": name,
        "name": name,
        "modality": Modality.TEXT,
        "provider": "local",
        "upstream": name,
        "origin": "discovered",
        "parameters": TEXT_PARAMETERS,
    }
    return Model(**(ordinary | facts))


def a_gguf_model(path: Path, **facts) -> Model:
    return a_model(path.stem.lower(), path=str(path), engine="llama_cpp", size_bytes=path.stat().st_size, **facts)


def a_request(
    *messages: Message | str, model: Model | None = None, session_id: str | None = None, **parameters
) -> GenerationRequest:
    said = messages or ("Count from one to twenty in words, separated by commas.",)
    return GenerationRequest(
        id="gen_test",
        modality=Modality.TEXT,
        model=model or a_model(),
        messages=tuple(text_message(Role.USER, it) if isinstance(it, str) else it for it in said),
        parameters=TextParameters(**parameters),
        session_id=session_id,
    )


def a_picture_request(
    prompt: str, workspace: Path | None, *files: InputFile, model: Model | None = None, **parameters
) -> GenerationRequest:
    return _a_media_request(
        ImageParameters(**parameters), prompt, workspace, files, model or a_model(modality=Modality.IMAGE)
    )


def a_solid_request(
    prompt: str, workspace: Path | None, *files: InputFile, model: Model | None = None, **parameters
) -> GenerationRequest:
    return _a_media_request(
        Model3DParameters(**parameters), prompt, workspace, files, model or a_model(modality=Modality.MODEL_3D)
    )


def _a_media_request(parameters, prompt, workspace, files, model) -> GenerationRequest:
    return GenerationRequest(
        id="gen_test",
        modality=Modality.IMAGE if isinstance(parameters, ImageParameters) else Modality.MODEL_3D,
        model=model,
        messages=(text_message(Role.USER, prompt),),
        parameters=parameters,
        files=files,
        workspace=str(workspace) if workspace else None,
    )
