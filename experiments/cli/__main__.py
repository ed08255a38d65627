"""`python -m toyrl.experiments.cli`."""

from toyrl.experiments.cli.main import run

if __name__ == "__main__":
    run()
