"""Where ciphertext and tokens are kept."""
