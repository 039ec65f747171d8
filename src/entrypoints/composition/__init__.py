"""The composition root: which adapter stands behind which port, by area; and the life of the service over them."""
