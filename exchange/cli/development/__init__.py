"""Commands for development: the demo, benches, and a Fabric network of plain processes."""
