"""What bench/rekey-bench is made of; bench/README.md has the order of reading."""
