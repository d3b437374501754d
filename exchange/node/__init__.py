"""A node: its folder and settings, and the services that are put together from them."""
