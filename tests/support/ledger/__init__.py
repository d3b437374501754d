"""Working parts that several tests share."""
