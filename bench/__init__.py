"""The benchmarks and their peers: see README.md beside this file."""
