"""How well the detectors find changes that are known, and how often they find what is not there."""
