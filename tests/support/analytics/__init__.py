"""Working parts that several tests of `analytics` share."""
