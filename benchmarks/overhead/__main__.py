import argparse
import sys
import tempfile
from pathlib import Path

from . import __doc__ as what_it_is
from .measure import Figures, measure
from .processes import gateway, require_tools, stub
from .report import report


def main(arguments: list[str] | None = None) -> str:
    """Measure, and give the table."""
    parser = argparse.ArgumentParser(description=what_it_is, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each load")
    default = f"{Path(sys.executable).parent / 'pluggably'} serve"
    parser.add_argument("--command", default=default, help="starts the gateway; its folder has a pluggably.toml")
    asked = parser.parse_args(arguments)
    require_tools()
    through: list[Figures] = []
    straight: list[Figures] = []
    with tempfile.TemporaryDirectory() as name, stub(Path(name)) as upstream:
        for number in range(asked.rounds):
            straight.append(measure(upstream, 1))
            with gateway(asked.command, upstream, Path(name) / "gateway") as target:
                through.append(measure(target, asked.seconds))
            print(f"round {number + 1}: {through[-1].cpu_ms_per_1000:.0f} ms per 1,000 requests", file=sys.stderr)
    return report(Figures.median(through), Figures.median(straight), asked.rounds)


if __name__ == "__main__":
    print(main())
