"""What the gateway costs: a chat completion through it, against the same one straight from the upstream.

    python -m benchmarks.overhead [--rounds 3] [--seconds 2] [--command 'pluggably serve']

The upstream is a stub in C that answers 80,000 requests a second on one core, so that it costs next to nothing. The
gateway has CPU 0 for itself; stub and client share CPU 1. Compare CPU per request: on a shared machine it moves by a
tenth where requests per second move by half. Needs Linux, two cores, `cc`, `taskset` and `wrk`.
"""
