"""`python -m tipman_api` is `tipman`."""

from tipman_api.cli import main

if __name__ == "__main__":
    main()
