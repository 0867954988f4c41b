"""The vocabulary: what a batch, a finding, an outcome and a component are. Imports nothing of ours."""
