"""Where the package keeps the demo models that it ships."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "src" / "adapters" / "catalog" / "shipped"
TINY_SHAPES = SHIPPED / "tiny-shapes"
TINY_SOLIDS = SHIPPED / "tiny-solids"
TINY_SOLIDS_FROM_IMAGE = SHIPPED / "tiny-solids-from-image"
