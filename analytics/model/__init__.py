"""Training with XGBoost, the model card, its charts, and the folder of an exported model."""
