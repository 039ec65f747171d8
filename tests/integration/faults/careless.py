"""An adapter of somebody else's that fails in a way that nobody thought of, with everything it knows at hand."""

from pluggably.domain.generation import Started, TextDelta
from pluggably.domain.model import Modality, Model


class Careless:
    """Fails at once, or after a word if the request says `later`."""

    def __init__(self, *, name, base_url, api_key, models) -> None:
        self.name, self.api_key = name, api_key
        self.listed = [
            Model(
                id=f"{name}/{it}",
                name=it,
                modality=Modality.TEXT,
                provider=name,
                upstream=it,
                origin="provider",
                parameters=frozenset(),
            )
            for it in models
        ]

    async def models(self):
        return self.listed

    def match(self, model_id):
        return None

    async def generate(self, request):
        authorization = f"Bearer {self.api_key}"
        prompt = request.messages[-1].text
        yield Started()
        if "later" in prompt:
            yield TextDelta("word ")
        raise RuntimeError(f"careless with {len(authorization)} and {len(prompt)} characters")

    async def close(self) -> None:
        """Nothing to close."""
