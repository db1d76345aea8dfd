"""`python -m bench` runs every bench; `python -m bench NAME=x` (or just `x`) runs one."""

import sys

from bench.harness import names, run_all, run_one


def main() -> int:
    """Run what is asked for; fail where a bench fails or is not there."""
    asked = [argument.removeprefix("NAME=") for argument in sys.argv[1:] if argument not in {"NAME=", ""}]
    unknown = [name for name in asked if name not in names()]
    if unknown:
        print(f"No bench is called {', '.join(unknown)}; there are {', '.join(names())}.", file=sys.stderr)
        return 2
    for name in asked:
        run_one(name)
    return 0 if asked else min(run_all(), 1)


if __name__ == "__main__":
    sys.exit(main())
