"""Review of the access log: explanations first, then reasons for suspicion, over entries and facts alone."""
