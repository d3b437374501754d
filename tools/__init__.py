"""Programs that check this repository or generate parts of it; none of them is installed with Consentry."""
