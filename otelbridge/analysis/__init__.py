"""Pure arithmetic: no columns, no clock, no I/O."""
