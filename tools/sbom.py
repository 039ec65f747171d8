"""Print a software bill of materials of the service: CycloneDX 1.6, as JSON.

python -m tools.sbom > build/sbom.json

It names what `pluggably[all]` needs as it is installed here, with the graph of who needs whom, and nothing that only
tests need. There is no time and no random number in it: the same packages give the same document.
"""

import sys
import tomllib
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from tools.third_party import OURSELVES, ROOT, Package, third_party, wanted


def bill(packages: Sequence[Package]) -> str:
    """The document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = Package(
        name=OURSELVES,
        version=project["version"],
        licence=project["license"],
        summary=project["description"],
        url=None,
        needs=frozenset(canonicalize_name(it.name) for it in wanted()),
    )
    components = {canonicalize_name(it.name): _component(it) for it in packages}
    root = _component(ours, ComponentType.APPLICATION)
    bom = Bom(components=components.values())
    bom.metadata.component = root
    for package, component in [(ours, root), *((it, components[canonicalize_name(it.name)]) for it in packages)]:
        bom.register_dependency(component, [components[name] for name in sorted(package.needs) if name in components])
    bom.serial_number = uuid5(NAMESPACE_URL, ",".join(sorted(f"{it.name}=={it.version}" for it in (ours, *packages))))
    bom.metadata.timestamp = None  # type: ignore[assignment]  # so that the same packages give the same bill
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(package: Package, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    purl = PackageURL("pypi", name=canonicalize_name(package.name), version=package.version)
    home = [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(package.url))] if package.url else []
    return Component(
        type=kind,
        name=package.name,
        version=package.version,
        description=package.summary,
        licenses=[LicenseFactory().make_from_string(package.licence)],
        purl=purl,
        bom_ref=purl.to_string(),
        external_references=home,
    )


if __name__ == "__main__":
    sys.stdout.write(bill(third_party()))
