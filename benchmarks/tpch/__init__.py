"""TPC-H's schema and 22 queries at scale 0.01, with a generator of our own (not dbgen: other rows, same shapes)."""
