"""Access: where keys are kept, who vouches for tokens, and what accounts use."""
