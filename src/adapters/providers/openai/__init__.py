"""OpenAI's API, which many servers speak: chat completions and images."""
