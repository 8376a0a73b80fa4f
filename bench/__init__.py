"""What `make bench` runs: each figure beside a baseline of the same minute."""
