"""From a Hugging Face folder to one GGUF file: written, quantized and checked."""
