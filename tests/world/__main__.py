"""`python -m tests.world --seed N` lets one world happen and prints what came of it."""

from tests.world import timepieces

timepieces.install()  # before anything keeps a clock for itself

from tests.world.command import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
