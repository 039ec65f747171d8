"""The cache of huggingface_hub: `models--<org>--<name>/snapshots/<commit>/`, links to `blobs/` of the same repository.

https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import re
from pathlib import Path

from attrs import frozen

REPOSITORY = re.compile(r"models--(?P<id>[\w.-]+(?:--[\w.-]+)?)")


@frozen(kw_only=True)
class HubPlace:
    """A snapshot of a repository: `folder` is the repository's in the cache, `id` its name at the hub."""

    folder: Path
    id: str
    commit: str

    @property
    def name(self) -> str:
        """The name without the organisation."""
        return self.id.rpartition("/")[2]

    @property
    def source(self) -> str:
        """Where it can be fetched again."""
        return f"hf:{self.id}@{self.commit}"

    @classmethod
    def of(cls, folder: Path) -> "HubPlace | None":
        """The snapshot that a folder is, or is in; None if it is in no such cache."""
        for it in (folder, *folder.parents):
            if it.parent.name == "snapshots" and (found := REPOSITORY.fullmatch(it.parent.parent.name)):
                return cls(folder=it.parent.parent, id=found["id"].replace("--", "/", 1), commit=it.name)
        return None
