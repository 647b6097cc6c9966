"""The experiment file: its schema, how it is loaded, and the identities that follow from it."""
