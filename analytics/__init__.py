"""Train the risk model and score it on ciphertext: homomorphic encryption with Microsoft SEAL."""
