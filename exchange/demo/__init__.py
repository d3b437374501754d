"""Real people's data to show the exchange with: public, anonymous, and never made up."""
