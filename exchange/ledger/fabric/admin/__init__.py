"""Channel administration: updates that add organisations and orderers or renew their certificates."""
