"""Rules over measurements and findings, and whom to tell."""
