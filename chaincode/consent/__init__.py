"""Who may see what: the terms a patient set towards one recipient, and the rules that read them."""
