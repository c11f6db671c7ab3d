"""What we measure, against which limit: `make bench` prints one table and writes `bench.json` into DATA_DIR.

Each figure is a ratio of ours to a limit measured in the same run on the same data. The data lie in databases of their
own (`bench_1m`, `bench_10m`), never the site's.
"""
