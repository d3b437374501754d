"""Links between records: found by the types of elements, and led to the entries of a Bundle."""
