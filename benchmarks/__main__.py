"""Runs the benchmarks: ``python -m benchmarks [NAME …] [-- options of one]``.

Every module of this package with a ``main(arguments)`` is a benchmark.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks


def names() -> list[str]:
    """List the benchmarks."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if not module.name.startswith("_")
    )


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all; options follow ``--``."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, options = list(arguments[:cut]) or names(), arguments[cut + 1 :]
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        sys.stderr.write(
            f"no such benchmark: {', '.join(unknown)}; there are {', '.join(names())}\n"
        )
        return 2
    return max(
        int(importlib.import_module(f"benchmarks.{name}").main(options) or 0)
        for name in chosen
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
