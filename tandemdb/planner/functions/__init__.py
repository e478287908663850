"""SQL's built-in functions; `registry` finds them by name."""
