"""The classes of diffusers 0.42 that an engine here runs, by the name that stands in `model_index.json`.

diffusers has the same table in `diffusers.pipelines.auto_pipeline`, which cannot be read without importing torch; a
test compares the two. Left out are the classes that want more than words, a picture and a mask (ControlNet), that are
spread over several folders (the combined ones), or that make something else (video, layers).
"""

from collections.abc import Iterator, Mapping

from attrs import frozen

from ...domain.model import Modality


@frozen(kw_only=True)
class PipelineKind:
    """What a class can do, which engine runs it, and `without` which of its engine's parameters."""

    engine: str
    modality: Modality
    capabilities: frozenset[str]
    without: frozenset[str] = frozenset()


_DRAW, _CHANGE, _PAINT = "text-to-image", "image-to-image", "inpainting"

_IMAGE: Mapping[tuple[str, ...], str] = {
    (_DRAW, _CHANGE, _PAINT): """
        FluxPipeline IFPipeline QwenImagePipeline StableDiffusion3Pipeline StableDiffusionPAGPipeline
        StableDiffusionPipeline StableDiffusionXLPAGPipeline StableDiffusionXLPipeline ZImagePipeline
    """,
    (_DRAW, _CHANGE): """
        Flux2KleinPipeline Flux2Pipeline FluxKontextPipeline Kandinsky3Pipeline LatentConsistencyModelPipeline
        StableDiffusion3PAGPipeline
    """,
    (_DRAW,): """
        AuraFlowPipeline ChromaPipeline CogView3PlusPipeline CogView4Pipeline GlmImagePipeline HunyuanDiTPAGPipeline
        HunyuanDiTPipeline Ideogram4Pipeline Krea2Pipeline Lumina2Pipeline LuminaPipeline NucleusMoEImagePipeline
        OvisImagePipeline PRXPipeline PixArtAlphaPipeline PixArtSigmaPAGPipeline PixArtSigmaPipeline QwenImage21Pipeline
        SanaPAGPipeline SanaPipeline ZImageOmniPipeline
    """,
    (_CHANGE,): """
        FluxImg2ImgPipeline IFImg2ImgPipeline Kandinsky3Img2ImgPipeline LatentConsistencyModelImg2ImgPipeline
        QwenImageEditPipeline QwenImageEditPlusPipeline QwenImageImg2ImgPipeline StableDiffusion3Img2ImgPipeline
        StableDiffusion3PAGImg2ImgPipeline StableDiffusionImg2ImgPipeline StableDiffusionPAGImg2ImgPipeline
        StableDiffusionXLImg2ImgPipeline StableDiffusionXLPAGImg2ImgPipeline ZImageImg2ImgPipeline
    """,
    (_PAINT,): """
        FluxInpaintPipeline IFInpaintingPipeline QwenImageEditInpaintPipeline QwenImageInpaintPipeline
        StableDiffusion3InpaintPipeline StableDiffusionInpaintPipeline StableDiffusionPAGInpaintPipeline
        StableDiffusionXLInpaintPipeline StableDiffusionXLPAGInpaintPipeline ZImageInpaintPipeline
    """,
}

_WITHOUT: Mapping[str, str] = {
    "negative_prompt": """
        Flux2KleinPipeline Flux2Pipeline FluxImg2ImgPipeline FluxInpaintPipeline FluxKontextPipeline FluxPipeline
        GlmImagePipeline Ideogram4Pipeline LatentConsistencyModelImg2ImgPipeline LatentConsistencyModelPipeline
        QwenImage21Pipeline
    """,
    "strength": """
        Flux2KleinPipeline Flux2Pipeline FluxKontextPipeline QwenImageEditPipeline QwenImageEditPlusPipeline
    """,
    "guidance_scale": "QwenImage21Pipeline",
}
"""The classes that have no use for a parameter; no class has one for `strength` that only draws."""


def _image_kinds() -> Iterator[tuple[str, PipelineKind]]:
    for tasks, names in _IMAGE.items():
        for name in names.split():
            without = {parameter for parameter, classes in _WITHOUT.items() if name in classes.split()}
            if tasks == (_DRAW,):
                without.add("strength")
            kind = PipelineKind(
                engine="diffusers_image",
                modality=Modality.IMAGE,
                capabilities=frozenset(tasks),
                without=frozenset(without),
            )
            yield name, kind


KINDS: Mapping[str, PipelineKind] = {
    **dict(_image_kinds()),
    "ShapEPipeline": PipelineKind(engine="shap_e", modality=Modality.MODEL_3D, capabilities=frozenset({"text-to-3d"})),
    "ShapEImg2ImgPipeline": PipelineKind(
        engine="shap_e", modality=Modality.MODEL_3D, capabilities=frozenset({"image-to-3d"})
    ),
}
