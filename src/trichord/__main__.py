"""`python -m trichord`, and `torchrun ... -m trichord`: the command line."""

from trichord.cli.main import main

if __name__ == "__main__":
    main()
