"""Run the command as `python -m exchange.cli`."""

from exchange.cli.main import main

if __name__ == "__main__":
    main()
