"""Everything outside the hexagon that the use cases reach through ports; a folder a family."""
