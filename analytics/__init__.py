"""Encrypted scoring and federated training of the risk model."""
