"""Speed and memory, measured where nobody asserts on them: `make bench`, or one by `make bench BENCH=exact`."""
