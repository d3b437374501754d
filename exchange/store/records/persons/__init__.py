"""Tables about the sign-in of persons."""
