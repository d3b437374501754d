"""The key store: the wrapped keys of subjects, in a database apart from the documents."""
