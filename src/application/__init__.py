"""The use cases, one class an area, and the ports through which they reach the world."""
