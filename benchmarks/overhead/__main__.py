import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from . import __doc__ as what_it_is
from .measure import Figures, Load, measure, requests, turns, warm_up
from .processes import Setup, bare_proxy, gateway, require_tools, stub
from .report import BARE, LARGE, LOADS, TURNS, report


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
    bare: list[Figures] = []
    loads: dict[str, list[Load]] = {name: [] for name in LOADS}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, stub(Path(name)) as upstream:
        start = partial(gateway, asked.command, upstream)
        for number in range(asked.rounds):
            folder, seconds = Path(name) / str(number), asked.seconds
            straight.append(measure(upstream, 1))
            with bare_proxy(upstream, folder / "proxy") as target:
                bare.append(measure(target, seconds))
            with start(folder / "production", Setup()) as target:
                through.append(measure(target, seconds))
                loads[LARGE].append(requests(target, [target.large_body()], seconds))
            with start(folder / "bare", Setup(in_production=False)) as target:
                warm_up(target)
                loads[BARE].append(requests(target, [target.body()], seconds))
            with start(folder / "sessions", Setup(sessions="sqlite")) as target:
                warm_up(target)
                loads[TURNS].append(turns(target, seconds))
            print(f"round {number + 1}: {through[-1].cpu_ms_per_1000:.0f} ms per 1,000 requests", file=sys.stderr)
    medians = {name: Load.median(rounds) for name, rounds in loads.items()}
    return report(*map(Figures.median, (through, bare, straight)), medians, asked.rounds)


if __name__ == "__main__":
    print(main())
