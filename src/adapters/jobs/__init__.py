"""Jobs: generations in the background, and which process works on them."""
